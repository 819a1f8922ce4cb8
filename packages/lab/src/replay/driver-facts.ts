/** Limits that a driver sets for its device and that neither sysfs nor a trace line shows. */
export interface DriverFacts {
  /** Low address bits that bouncing must keep. */
  readonly minAlignMask: number;
  /** Longest merged segment, bytes. */
  readonly maxSegmentBytes: number;
}

/** What a PCI device has until its driver changes it. @source Linux v6.12 drivers/pci/probe.c pci_device_add() */
const PCI_DEFAULTS: DriverFacts = { minAlignMask: 0, maxSegmentBytes: 65536 };

/** Segment boundary of PCI devices. @source Linux v6.12 drivers/pci/probe.c pci_device_add() */
export const PCI_SEGMENT_BOUNDARY_MASK = 0xffffffff;

const UNLIMITED = 0xffffffff;

const facts: Readonly<Record<string, DriverFacts>> = {
  /** @source Linux v6.12 drivers/nvme/host/pci.c nvme_pci_alloc_dev() */
  nvme: { minAlignMask: 4095, maxSegmentBytes: UNLIMITED },
};

/** Facts of the driver that a device is bound to; the PCI defaults for a driver that is not listed. */
export function driverFacts(driver: string | undefined): DriverFacts {
  return (driver !== undefined && facts[driver]) || PCI_DEFAULTS;
}
