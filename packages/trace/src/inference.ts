/** Fills what the machine description does not say from what the trace shows, and lists where the two disagree. */
import type { KernelRules } from 'dmalab-core';
import { EVENT_FORMS, EventKind } from './event-kind.ts';
import type { DeviceDescription, DomainTypeName, MachineDescription } from './machine-description.ts';
import type { DeviceFacts, TraceFacts } from './trace-facts.ts';

const HZ_DEFAULT = 250;
const PAGE_MASK = 4095;
const SLOT_BYTES = 2048;
const SLOTS_DEFAULT = 32_768;
const MASK_BITS_DEFAULT = 64;
/** Below this many unmaps the behaviour of a device says little about its domain. */
const UNMAPS_MIN = 3;
/** Share of unmaps of the other sort from which a device is taken to have changed its domain type. */
const CHANGED_SHARE = 0.05;
const TWO_32 = 2 ** 32;
/** Widths that second-level tables of 3 to 5 levels translate, and what a unit has unless addresses show another. */
const ADDRESS_WIDTHS = [39, 48, 57];
const ADDRESS_BITS_DEFAULT = 48;
const TWO_53 = 2 ** 53;

/** One value that was not recorded. */
export interface InferenceRow {
  readonly what: string;
  readonly value: string;
  readonly why: string;
  /** `inferred` from the trace, or a `default` of which the trace says nothing. */
  readonly basis: 'inferred' | 'default';
}

/** Trace and description say different things; neither is changed. */
export interface Contradiction {
  readonly what: string;
  readonly trace: string;
  readonly description: string;
  /** A line of the trace that shows it, when there is one. */
  readonly line: number | undefined;
}

/** A device as replay needs it. */
export interface InferredDevice {
  readonly name: string;
  readonly untrusted: boolean;
  readonly domainType: DomainTypeName | undefined;
  /** Group of the description; undefined when it is not known. */
  readonly iommuGroup: number | undefined;
  readonly domainId: number | undefined;
  readonly dmaMaskBits: number;
  /** Low address bits that the device wants kept when a buffer is bounced. */
  readonly minAlignMask: number;
  /** Longest segment seen, 0 without scatter lists. */
  readonly segmentBytesSeen: number;
}

export interface InferredPool {
  readonly start: number;
  readonly endExclusive: number;
  readonly slots: number;
  readonly areas: number;
}

/** What lines show of a remapping unit. */
export interface InferredUnit {
  /** CM: mappings are flushed too. */
  readonly cachingMode: boolean;
  /** Width of an address, bits. */
  readonly addressBits: number;
  /** `iommu.forcedac`: addresses are taken from the top of the whole space at once. */
  readonly forcesHighAddresses: boolean;
}

export interface MachineInference {
  readonly kernelRules: KernelRules;
  readonly kernelHz: number;
  readonly cpuCount: number;
  /** Undefined when nothing was bounced and no description names a pool. */
  readonly pool: InferredPool | undefined;
  readonly devices: readonly InferredDevice[];
  /** What the lines show of a remapping unit that nobody described; undefined when it was described. */
  readonly unit: InferredUnit | undefined;
  /** False when descriptors were not recorded: flushes are then not visible. */
  readonly hasDescriptors: boolean;
  readonly rows: readonly InferenceRow[];
  readonly contradictions: readonly Contradiction[];
}

/** Completes a machine description, which may be missing, with the facts of a trace. */
export function inferMachine(facts: TraceFacts, description: MachineDescription | undefined): MachineInference {
  const rows: InferenceRow[] = [];
  const contradictions: Contradiction[] = [];
  noteDefaults(description, rows, contradictions);
  return {
    kernelRules: inferKernelRules(facts, description, rows, contradictions),
    kernelHz: inferHz(description, rows),
    cpuCount: inferCpuCount(facts, description, rows, contradictions),
    pool: inferPool(facts, description, rows, contradictions),
    devices: [...facts.devices.values()].map((device) => inferDevice(facts, device, description, rows, contradictions)),
    unit: description?.vtd === undefined ? inferUnit(facts, rows) : undefined,
    hasDescriptors: facts.eventsByKind[EventKind.QI_SUBMIT]! > 0,
    rows,
    contradictions,
  };
}

function inferUnit(facts: TraceFacts, rows: InferenceRow[]): InferredUnit {
  const notPresentFlushes = facts.eventsByKind[EventKind.CACHE_TAG_FLUSH_RANGE_NP]!;
  const cachingMode = notPresentFlushes > 0;
  if (cachingMode) {
    rows.push({ what: 'caching mode', value: 'on', why: `${notPresentFlushes} flushes of new mappings`, basis: 'inferred' });
  }
  const addressBits = ADDRESS_WIDTHS.find((bits) => facts.iovaMax < 2 ** bits) ?? ADDRESS_BITS_DEFAULT;
  const high = facts.iovaMax >= TWO_32;
  if (high)
    rows.push({ what: 'address width', value: String(addressBits), why: `addresses up to ${hex(facts.iovaMax)}`, basis: 'inferred' });
  const forcesHighAddresses = facts.firstIova >= TWO_32;
  if (forcesHighAddresses) {
    rows.push({ what: 'iommu.forcedac', value: '1', why: `the first mapping is at ${hex(facts.firstIova)}`, basis: 'inferred' });
  }
  return { cachingMode, addressBits: high ? addressBits : ADDRESS_BITS_DEFAULT, forcesHighAddresses };
}

/** What replay needs and nobody said, and losses that only the description knows of. */
function noteDefaults(description: MachineDescription | undefined, rows: InferenceRow[], contradictions: Contradiction[]): void {
  if (description?.vtd === undefined) {
    rows.push({ what: 'VT-d registers', value: 'those of QEMU 7.2', why: 'no machine description has them', basis: 'default' });
  }
  if ((description?.hostBridgeWindows.length ?? 0) === 0) {
    rows.push({ what: 'host-bridge windows', value: 'none', why: 'reserved addresses are not in a trace', basis: 'default' });
  }
  const lost = description?.lostEvents ?? 0;
  if (lost > 0) contradictions.push({ what: 'lost events', trace: 'no mark of a loss', description: `${lost} lost`, line: undefined });
}

function inferKernelRules(
  facts: TraceFacts,
  description: MachineDescription | undefined,
  rows: InferenceRow[],
  contradictions: Contradiction[],
): KernelRules {
  const modern = EVENT_FORMS.find(
    (form) => facts.eventsByKind[form.kind]! > 0 && (form.system === 'dma' || form.name.startsWith('cache_tag')),
  );
  const release = description?.kernelRelease;
  const version = release === undefined ? null : /^(\d+)\.(\d+)/.exec(release);
  if (version === null) {
    const rules = modern === undefined ? '6.1' : '6.12';
    const why = modern === undefined ? 'no dma:* or cache_tag_* event' : `${modern.system}:${modern.name} events are not in 6.1`;
    rows.push({ what: 'kernel rules', value: rules, why, basis: 'inferred' });
    return rules;
  }
  const rules = Number(version[1]) * 1000 + Number(version[2]) < 6010 ? '6.1' : '6.12';
  if (rules === '6.1' && modern !== undefined) {
    contradictions.push({
      what: 'kernel',
      trace: `${modern.system}:${modern.name} events`,
      description: `kernel ${release}`,
      line: undefined,
    });
  }
  if (rules === '6.12' && facts.eventsByKind[EventKind.DETACH_DEVICE]! > 0) {
    contradictions.push({
      what: 'kernel',
      trace: 'iommu:detach_device_from_domain events',
      description: `kernel ${release}`,
      line: undefined,
    });
  }
  return rules;
}

function inferHz(description: MachineDescription | undefined, rows: InferenceRow[]): number {
  if (description?.kernelHz !== undefined) return description.kernelHz;
  rows.push({
    what: 'kernel HZ',
    value: String(HZ_DEFAULT),
    why: 'what distributions build with; moves flush timers only',
    basis: 'default',
  });
  return HZ_DEFAULT;
}

function inferCpuCount(
  facts: TraceFacts,
  description: MachineDescription | undefined,
  rows: InferenceRow[],
  contradictions: Contradiction[],
): number {
  const seen = facts.cpuMax + 1;
  const possible = description?.possibleCpus ?? [];
  if (possible.length === 0) {
    rows.push({ what: 'CPUs', value: String(seen), why: `highest CPU number in the trace is ${facts.cpuMax}`, basis: 'inferred' });
    return seen;
  }
  const count = possible[possible.length - 1]! + 1;
  if (seen > count) {
    contradictions.push({
      what: 'CPUs',
      trace: `an event of CPU ${facts.cpuMax}`,
      description: `CPUs below ${count}`,
      line: facts.cpuMaxLine,
    });
  }
  return Math.max(count, seen);
}

function inferPool(
  facts: TraceFacts,
  description: MachineDescription | undefined,
  rows: InferenceRow[],
  contradictions: Contradiction[],
): InferredPool | undefined {
  const pool = description?.swiotlb;
  if (pool !== undefined) {
    for (const [address, line] of [
      [facts.slots.low, facts.slots.lowLine],
      [facts.slots.high, facts.slots.highLine],
    ] as const) {
      if (address < 0 || (address >= pool.start && address < pool.endExclusive)) continue;
      const range = `pool ${hex(pool.start)}-${hex(pool.endExclusive)}`;
      contradictions.push({ what: 'bounce slot', trace: hex(address), description: range, line });
    }
    return pool;
  }
  const seen = facts.hasApiLines ? facts.slots : facts.likelySlots;
  if (seen.low < 0) return undefined;
  const slots = Math.max(SLOTS_DEFAULT, Math.ceil((seen.high + 1 - seen.low) / SLOT_BYTES));
  const endExclusive = seen.low + slots * SLOT_BYTES;
  const why = `slots seen from ${hex(seen.low)} to ${hex(seen.high)}; 64 MiB is the kernel's default size`;
  rows.push({ what: 'bounce pool', value: `${hex(seen.low)}-${hex(endExclusive)}`, why, basis: 'inferred' });
  return { start: seen.low, endExclusive, slots, areas: roundUpPowerOfTwo(facts.cpuMax + 1) };
}

function inferDevice(
  facts: TraceFacts,
  device: DeviceFacts,
  description: MachineDescription | undefined,
  rows: InferenceRow[],
  contradictions: Contradiction[],
): InferredDevice {
  const known = description?.devices.find((candidate) => candidate.address === device.name);
  if (known === undefined && description !== undefined && description.devices.length > 0) {
    contradictions.push({
      what: `device ${device.name}`,
      trace: `${device.events} event${device.events === 1 ? '' : 's'}`,
      description: 'not listed',
      line: device.firstLine,
    });
  }
  return {
    name: device.name,
    untrusted: inferUntrusted(device, known, rows),
    domainType: inferDomainType(facts, device, known, rows, contradictions),
    iommuGroup: known?.iommuGroup,
    domainId: device.domainIds[0],
    dmaMaskBits: inferMaskBits(device, known, rows),
    minAlignMask: inferMinAlignMask(device, known, rows),
    segmentBytesSeen: device.segmentBytesMax,
  };
}

function inferUntrusted(device: DeviceFacts, known: DeviceDescription | undefined, rows: InferenceRow[]): boolean {
  if (known !== undefined) return known.removable;
  const untrusted = device.bouncedUnderTranslation > 0;
  const why = untrusted ? `${device.bouncedUnderTranslation} buffers bounced under translation` : 'nothing bounced under translation';
  rows.push({ what: `${device.name} untrusted`, value: untrusted ? 'yes' : 'no', why, basis: 'inferred' });
  return untrusted;
}

function inferDomainType(
  facts: TraceFacts,
  device: DeviceFacts,
  known: DeviceDescription | undefined,
  rows: InferenceRow[],
  contradictions: Contradiction[],
): DomainTypeName | undefined {
  const shown = shownDomainType(facts, device);
  if (facts.eventsByKind[EventKind.QI_SUBMIT]! > 0 && Math.min(device.strictUnmaps, device.lazyUnmaps) > CHANGED_SHARE * device.maps) {
    const trace = `${device.strictUnmaps} unmaps invalidated their pages at once, ${device.lazyUnmaps} did not: the type changed`;
    contradictions.push({ what: `${device.name} domain`, trace, description: known?.domainType ?? 'one type', line: device.firstLine });
    return known?.domainType ?? shown?.type;
  }
  if (known?.domainType !== undefined) {
    const fits = shown === undefined || shown.type === known.domainType;
    if (!fits)
      contradictions.push({
        what: `${device.name} domain`,
        trace: `${shown.type}: ${shown.why}`,
        description: known.domainType,
        line: device.firstLine,
      });
    return known.domainType;
  }
  const taken = shown ?? translatedDomainType(device);
  if (taken !== undefined) rows.push({ what: `${device.name} domain`, value: taken.type, why: taken.why, basis: 'inferred' });
  return taken?.type;
}

/** The least that can be said of a device whose calls write page-table entries. */
function translatedDomainType(device: DeviceFacts): { readonly type: DomainTypeName; readonly why: string } | undefined {
  if (device.translatedCalls === 0) return undefined;
  return { type: 'DMA', why: `${device.translatedCalls} of its calls wrote page-table entries; strict or lazy does not show` };
}

/** What the lines of a device's calls say about its domain; undefined when there are too few. */
function shownDomainType(facts: TraceFacts, device: DeviceFacts): { readonly type: DomainTypeName; readonly why: string } | undefined {
  if (device.maps >= UNMAPS_MIN && device.identityMaps === device.maps)
    return { type: 'identity', why: 'every device address is the physical address' };
  if (facts.eventsByKind[EventKind.QI_SUBMIT] === 0) return undefined;
  const unmaps = device.strictUnmaps + device.lazyUnmaps;
  if (unmaps < UNMAPS_MIN) return undefined;
  if (device.strictUnmaps * 2 > unmaps)
    return { type: 'DMA', why: `${device.strictUnmaps} of ${unmaps} unmaps invalidated their pages at once` };
  return { type: 'DMA-FQ', why: `${device.lazyUnmaps} of ${unmaps} unmaps returned without an invalidation` };
}

function inferMaskBits(device: DeviceFacts, known: DeviceDescription | undefined, rows: InferenceRow[]): number {
  if (known?.dmaMaskBits !== undefined) return known.dmaMaskBits;
  const what = `${device.name} DMA mask bits`;
  if (device.dmaMask > 0) {
    const bits = Math.round(Math.log2(device.dmaMask + 1));
    rows.push({ what, value: String(bits), why: 'the mask in its bounce lines', basis: 'inferred' });
    return bits;
  }
  const high = device.dmaAddrMax >= TWO_32;
  const why = high
    ? `a device address of ${hex(device.dmaAddrMax)}`
    : 'no line shows the mask; addresses below 4 GiB are tried first anyway';
  rows.push({ what, value: String(MASK_BITS_DEFAULT), why, basis: high ? 'inferred' : 'default' });
  return MASK_BITS_DEFAULT;
}

/** @source Linux v6.12 drivers/nvme/host/pci.c: the driver asks for the low 12 bits */
function inferMinAlignMask(device: DeviceFacts, known: DeviceDescription | undefined, rows: InferenceRow[]): number {
  if (device.bounced === 0) return 0;
  const what = `${device.name} min_align_mask`;
  if (device.bouncePairs === 0 || (device.offsetKept | device.offsetDifference) === 0) {
    const mask = known?.driver === 'nvme' ? PAGE_MASK : 0;
    const why = mask === 0 ? 'no bounced buffer with an offset in its page' : 'what the nvme driver sets; the trace does not show it';
    rows.push({ what, value: String(mask), why, basis: 'default' });
    return mask;
  }
  const lowestDifference = device.offsetDifference & -device.offsetDifference;
  const mask = device.offsetKept === 0 ? 0 : device.offsetDifference === 0 ? PAGE_MASK : lowestDifference - 1;
  const why =
    mask === 0 ? `${device.bouncePairs} bounced mappings lost their page offset` : `${device.bouncePairs} bounced mappings kept these bits`;
  rows.push({ what, value: String(mask), why, basis: 'inferred' });
  return mask;
}

function roundUpPowerOfTwo(count: number): number {
  let power = 1;
  while (power < count) power *= 2;
  return power;
}

function hex(value: number): string {
  return value >= TWO_53 ? 'all ones' : `0x${value.toString(16)}`;
}
