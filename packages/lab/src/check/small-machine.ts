import {
  adversarialCaches,
  CallList,
  type Direction,
  type IovaPfn,
  type KernelRules,
  Machine,
  type MachineParameters,
  PAGE_SIZE,
  type PhysAddr,
  type ProtectionPolicy,
  pciDevice,
  QEMU_CAPABILITY,
  QEMU_EXTENDED_CAPABILITY,
  Rights,
  translatePfn,
} from 'dmalab-core';

/** Memory of a driver that its device does DMA to. Several may lie in one page. */
export interface BufferSpec {
  /** Short, unique on the machine, the device's letter first: `a1`. */
  readonly name: string;
  readonly device: number;
  /** Page of the machine's own memory, from 0, and first byte in it, a multiple of the granule. */
  readonly page: number;
  readonly offset: number;
  /** A multiple of the granule. */
  readonly bytes: number;
  readonly direction: Direction;
  /** Coherent memory is allocated and freed instead of mapped and unmapped; whole pages. */
  readonly coherent?: boolean;
  /** How often it is mapped at most. */
  readonly uses: number;
  /** Whether its memory may go to somebody else once it is unmapped or freed. */
  readonly reclaimed?: boolean;
}

/** A machine that is small enough to visit all its states, and what its drivers may do. */
export interface SmallMachine {
  readonly name: string;
  /** One line: what it is there to show. */
  readonly summary: string;
  readonly cpus: number;
  readonly devices: number;
  /** Bounce slots; of 2048 bytes, in one area and segments of as many slots. */
  readonly slots: number;
  /** Entries of a flush-queue ring; one stays empty. */
  readonly ringEntries: number;
  readonly buffers: readonly BufferSpec[];
  /** min_align_mask of every device; 0 when absent. */
  readonly minAlignMask?: number;
  /** Whether devices write and drivers sync, in whole and in part: for the property about data. */
  readonly movesData?: boolean;
}

/** Bytes that share a label and an owner. */
export const GRANULE_BYTES = 1024;
export const GRANULES_PER_PAGE: number = PAGE_SIZE / GRANULE_BYTES;
const SLOT_BYTES = 2048;
/** Where the pool begins; the memory of the drivers follows it. */
const MEMORY_START = 0x100000;
/** Device letters in the order of their numbers. */
const DEVICE_LETTERS = 'ABCDEFGH';

export function deviceLetter(device: number): string {
  return DEVICE_LETTERS[device];
}

/** Pages of the pool, before those of the drivers. */
export function poolPages(spec: SmallMachine): number {
  return (spec.slots * SLOT_BYTES) / PAGE_SIZE;
}

/** Pages of the window: the pool, the buffers, and one page of the kernel's own. */
export function windowPages(spec: SmallMachine): number {
  const buffers = spec.buffers.map(({ page, offset, bytes }) => page + Math.ceil((offset + bytes) / PAGE_SIZE));
  return poolPages(spec) + Math.max(0, ...buffers) + 1;
}

/** First byte of page `page` of the window. */
export function pageAddress(page: number): PhysAddr {
  return MEMORY_START + page * PAGE_SIZE;
}

/** Page of the window at a physical address. */
export function pageAt(address: PhysAddr): number {
  return Math.floor((address - MEMORY_START) / PAGE_SIZE);
}

export function bufferAddress(spec: SmallMachine, { page, offset }: BufferSpec): PhysAddr {
  return pageAddress(poolPages(spec) + page) + offset;
}

/** The engine's machine behind a small one, every table as short as it can be. */
export function buildMachine(spec: SmallMachine, policy: ProtectionPolicy, kernel: KernelRules): Machine {
  const domains = policy.translated ? spec.devices : 0;
  const parameters: MachineParameters = {
    kernel,
    possibleCpus: spec.cpus,
    onlineCpus: spec.cpus,
    hz: 250,
    iommu: {
      // 39 bits: tables of three levels; one fault record, since no search provokes a fault.
      capability: { ...QEMU_CAPABILITY, addressWidths: 2, faultRecords: 1 },
      extendedCapability: QEMU_EXTENDED_CAPABILITY,
      iotlb: adversarialCaches.iotlb,
      pagingStructures: null,
    },
    swiotlb: { start: MEMORY_START, slots: spec.slots, areas: 1, forced: false, slotBytes: SLOT_BYTES, segmentSlots: spec.slots },
    domains: Array.from({ length: domains }, () => ({ reserved: [] })),
    devices: Array.from({ length: spec.devices }, (_, index) => ({
      ...pciDevice(index, policy, index),
      name: deviceLetter(index),
      // One bus, so that there is one context table.
      sourceId: 0x100 + index * 8,
      minAlignMask: spec.minAlignMask ?? 0,
    })),
    memory: { start: MEMORY_START, bytes: windowPages(spec) * PAGE_SIZE, granuleBytes: GRANULE_BYTES },
    iova: { magazineSize: 4, rcacheBins: 2, initialBins: 2, initialNodes: 15, treeFanout: 16 },
    ringEntries: spec.ringEntries,
    sizes: {
      tableFrames: 2 + 3 * spec.devices,
      tableSets: Math.max(1, domains),
      calls: spec.cpus + spec.devices,
      callEntries: 1,
      queueEntries: 16,
    },
  };
  const machine = new Machine(parameters);
  for (const { parameters: device, domain } of machine.devices) if (domain !== null) useOnce(machine, domain.index, device.sourceId);
  return machine;
}

/** Page that every domain hands out first. */
const FIRST_IOVA: IovaPfn = 0xfffff;

/**
 * Tables for the addresses in use and the context of the device in the unit's cache exist from the start, as after any
 * earlier use of the device. The tables stay, since no unmap covers 2 MiB.
 */
function useOnce(machine: Machine, domain: number, sourceId: number): void {
  const calls = new CallList();
  const { hardware } = machine.domains[domain];
  hardware.map(FIRST_IOVA, MEMORY_START / PAGE_SIZE, 1, Rights.READ, calls);
  translatePfn(machine.unit!, sourceId, FIRST_IOVA, false);
  hardware.unmap(FIRST_IOVA, 1, calls);
  machine.unit!.iotlb!.invalidateAll();
}
