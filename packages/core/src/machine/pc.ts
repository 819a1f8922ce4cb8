import type { ProtectionPolicy } from '../dma/index.ts';
import { QEMU_CAPABILITY, QEMU_EXTENDED_CAPABILITY } from '../iommu/index.ts';
import { adversarialCaches, type DeviceParameters, type MachineParameters } from './parameters.ts';

/** Segment limits that PCI gives every device. @source Linux v6.12 drivers/pci/probe.c pci_device_add() */
const PCI_MAX_SEGMENT_BYTES = 65536;
const PCI_SEGMENT_BOUNDARY_MASK = 0xffffffff;

/** Host-bridge window below 4 GiB and the interrupt window, as in a PC with 3 GiB of memory there. */
const PC_RESERVED = [
  { loPfn: 0xc0000, hiPfn: 0xfebff },
  { loPfn: 0xfee00, hiPfn: 0xfeeff },
];

/**
 * Parameters of an ordinary PC to start from: one PCI device per policy, each in a domain of its own where the policy
 * translates; a unit whose caches keep every translation until it is invalidated; a bounce pool of 64 MiB; memory with
 * contents; 6.12 rules and HZ 250 on two CPUs. Devices reach all addresses and count as untrusted where they bounce.
 *
 * @param changes  what differs from that
 */
export function pcMachine(policies: readonly ProtectionPolicy[], changes: Partial<MachineParameters> = {}): MachineParameters {
  const possibleCpus = changes.possibleCpus ?? 2;
  const translated = policies.filter((policy) => policy.translated);
  return {
    kernel: '6.12',
    possibleCpus,
    onlineCpus: possibleCpus,
    hz: 250,
    iommu: { capability: QEMU_CAPABILITY, extendedCapability: QEMU_EXTENDED_CAPABILITY, ...adversarialCaches },
    swiotlb: { start: 0x7bfd7000, slots: 32768, areas: 2 ** Math.ceil(Math.log2(possibleCpus)), forced: false },
    domains: translated.map(() => ({ reserved: PC_RESERVED })),
    devices: policies.map((policy, index) =>
      pciDevice(index, policy, policies.slice(0, index).filter((before) => before.translated).length),
    ),
    memory: 'bytes',
    ...changes,
  };
}

/**
 * A PCI device in slot 0 of bus `index` + 1, without limits of its own.
 *
 * @param domain  domain to translate in; a policy that does not translate has none
 */
export function pciDevice(index: number, policy: ProtectionPolicy, domain: number): DeviceParameters {
  return {
    name: `0000:${(index + 1).toString(16).padStart(2, '0')}:00.0`,
    sourceId: (index + 1) * 256,
    dmaMask: Number.POSITIVE_INFINITY,
    coherentDmaMask: Number.POSITIVE_INFINITY,
    busDmaLimit: 0,
    untrusted: policy.translated && policy.bounces(1, 1),
    triesLowFirst: true,
    minAlignMask: 0,
    maxSegmentBytes: PCI_MAX_SEGMENT_BYTES,
    segmentBoundaryMask: PCI_SEGMENT_BOUNDARY_MASK,
    domain: policy.translated ? domain : -1,
    policy,
  };
}
