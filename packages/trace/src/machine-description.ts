/**
 * The machine description that lies beside a trace: `X.machine.json` for `X.trace.gz`.
 *
 * It says what a trace cannot: reserved address ranges, the bounce pool, the devices and their domains. Fields that the
 * recording machine could not tell are null in the file and undefined here.
 */
import { LabError } from 'dmalab-core';
import { escapeText } from './byte-text.ts';
import { type JsonDocument, JsonReader, type RegisterHalves } from './json-reader.ts';

/** Byte addresses, both ends included. */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

export interface ReservedRegion extends AddressRange {
  readonly iommuGroup: number;
  /** As in sysfs: `direct`, `direct-relaxable`, `reserved`, `msi`. */
  readonly type: string;
}

export interface SwiotlbDescription {
  /** First byte of the pool. */
  readonly start: number;
  /** First byte after the pool. */
  readonly endExclusive: number;
  readonly slots: number;
  readonly areas: number;
}

export interface VtdDescription {
  readonly version: string | undefined;
  readonly cap: RegisterHalves;
  readonly ecap: RegisterHalves;
}

/** Type of a group's domain, as sysfs spells it. */
export type DomainTypeName = 'DMA' | 'DMA-FQ' | 'identity' | 'blocked' | 'unmanaged';

export interface DeviceDescription {
  /** `0000:01:00.0`, the name in the trace. */
  readonly address: string;
  readonly vendorId: number | undefined;
  readonly deviceId: number | undefined;
  readonly classCode: number | undefined;
  readonly driver: string | undefined;
  /** Width of the DMA mask in bits. */
  readonly dmaMaskBits: number | undefined;
  readonly iommuGroup: number | undefined;
  readonly domainType: DomainTypeName | undefined;
  /** True for a device behind a port that the firmware describes as external: untrusted. */
  readonly removable: boolean;
}

export interface MachineDescription {
  /** Name of the file, for messages. */
  readonly file: string | undefined;
  readonly kernelRelease: string | undefined;
  readonly kernelVersion: string | undefined;
  readonly architecture: string | undefined;
  readonly kernelCommandLine: string | undefined;
  readonly kernelHz: number | undefined;
  /** CPU numbers, ascending; empty when unknown. */
  readonly possibleCpus: readonly number[];
  readonly onlineCpus: readonly number[];
  readonly invalidationPolicy: 'lazy' | 'strict' | undefined;
  readonly vtd: VtdDescription | undefined;
  readonly swiotlb: SwiotlbDescription | undefined;
  readonly hostBridgeWindows: readonly AddressRange[];
  readonly reservedRegions: readonly ReservedRegion[];
  readonly devices: readonly DeviceDescription[];
  readonly memoryMap: readonly (AddressRange & { readonly type: string })[];
  readonly lostEvents: number | undefined;
  readonly recordedOn: string | undefined;
  /** Fields that dmalab does not know, by path. */
  readonly unknownFields: readonly string[];
  /** Statements of the file that do not agree with each other, one sentence each. */
  readonly contradictions: readonly string[];
}

const SLOT_BYTES = 2048;
const SLOTS_PER_AREA_MIN = 128;
const DOMAIN_TYPES: readonly DomainTypeName[] = ['DMA', 'DMA-FQ', 'identity', 'blocked', 'unmanaged'];
const POLICIES: readonly ('lazy' | 'strict')[] = ['lazy', 'strict'];
const EXPECTED_FILE = 'a machine description, see docs/formats.md';
const RANGE_TEXT = /^(?:\[?mem )?(0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})\]? (.+)$/i;

/**
 * Reads a machine description.
 *
 * @throws LabError MCH001 not JSON, MCH002 wrong type of a field, MCH003 bad number, MCH004 bad list of CPUs, MCH005
 *   impossible values; each names the path of the field
 */
export function parseMachineDescription(text: string, file?: string): MachineDescription {
  const reader = new JsonReader(parseJson(text, file), documentOf(file));
  const description = {
    file,
    kernelRelease: reader.optionalText('kernelRelease'),
    kernelVersion: reader.optionalText('kernelVersion'),
    architecture: reader.optionalText('architecture'),
    kernelCommandLine: reader.optionalText('kernelCommandLine'),
    kernelHz: reader.optionalInteger('kernelHz', 1, 1_000_000),
    possibleCpus: reader.cpuList('possibleCpus'),
    onlineCpus: reader.cpuList('onlineCpus'),
    invalidationPolicy: reader.optionalWord('invalidationPolicy', POLICIES),
    vtd: reader.optionalObject('vtd', readVtd),
    swiotlb: reader.optionalObject('swiotlb', readSwiotlb),
    hostBridgeWindows: reader.objects('hostBridgeWindows', readRange),
    reservedRegions: reader.objects('reservedRegions', readReservedRegion),
    devices: reader.objects('devices', readDevice),
    memoryMap: reader.texts('memoryMap').map((range, index) => readMemoryRange(range, reader, `memoryMap[${index}]`)),
    lostEvents: reader.optionalInteger('lostEvents', 0, Number.MAX_SAFE_INTEGER),
    recordedOn: reader.optionalText('recordedOn'),
  };
  return { ...description, unknownFields: reader.unknownFields(), contradictions: findContradictions(description) };
}

/** What is assumed without a file: nothing. Inference and defaults then fill what they can. */
export function emptyMachineDescription(): MachineDescription {
  return parseMachineDescription('{}');
}

/** `dock.machine.json` for `dock.trace.gz`, `dock.trace`, `dock.txt`, `dock.txt.gz` and other endings. */
export function machinePathFor(tracePath: string): string {
  const stem = tracePath.replace(/\.gz$/i, '').replace(/\.(trace|txt|log|report)$/i, '');
  return `${stem}.machine.json`;
}

function documentOf(file: string | undefined): JsonDocument {
  const next = 'correct the field, or write null for what is not known';
  return { noun: 'machine description', file, wrongType: 'MCH002', outOfRange: 'MCH003', next };
}

function parseJson(text: string, file: string | undefined): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const got = error instanceof Error ? error.message.split('\n')[0]! : 'unreadable text';
    const message = 'The machine description is not JSON.';
    throw new LabError({
      code: 'MCH001',
      message,
      file,
      expected: EXPECTED_FILE,
      got: escapeText(got),
      next: 'check the file, or leave it out',
    });
  }
}

function readVtd(reader: JsonReader): VtdDescription {
  return { version: reader.optionalText('version'), cap: reader.register('cap'), ecap: reader.register('ecap') };
}

function readSwiotlb(reader: JsonReader): SwiotlbDescription {
  const start = reader.address('start');
  const endExclusive = reader.address('endExclusive');
  if (endExclusive <= start) throw reader.wrong('MCH005', 'endExclusive', `a pool that ends after ${hex(start)}`, hex(endExclusive));
  const slots = reader.optionalInteger('slots', 1, 2 ** 31) ?? Math.floor((endExclusive - start) / SLOT_BYTES);
  return { start, endExclusive, slots, areas: reader.optionalInteger('areas', 1, 65_536) ?? 1 };
}

function readRange(reader: JsonReader): AddressRange {
  const start = reader.address('start');
  const end = reader.address('end');
  if (end < start) throw reader.wrong('MCH005', 'end', `an end at or above ${hex(start)}`, hex(end));
  return { start, end };
}

function readReservedRegion(reader: JsonReader): ReservedRegion {
  return { iommuGroup: reader.integer('iommuGroup', 0, 2 ** 31), type: reader.text('type'), ...readRange(reader) };
}

function readDevice(reader: JsonReader): DeviceDescription {
  return {
    address: reader.text('address'),
    vendorId: reader.optionalAddress('vendorId'),
    deviceId: reader.optionalAddress('deviceId'),
    classCode: reader.optionalAddress('classCode'),
    driver: reader.optionalText('driver'),
    dmaMaskBits: reader.optionalInteger('dmaMaskBits', 1, 64),
    iommuGroup: reader.optionalInteger('iommuGroup', 0, 2 ** 31),
    domainType: reader.optionalWord('domainType', DOMAIN_TYPES),
    removable: reader.optionalBoolean('removable') ?? false,
  };
}

/** `0x0000000000100000-0x000000007ffcffff] usable`: the tail of a line of the kernel log. */
function readMemoryRange(text: string, reader: JsonReader, path: string): AddressRange & { readonly type: string } {
  const match = RANGE_TEXT.exec(text);
  if (match === null) throw reader.wrong('MCH003', path, '0xSTART-0xEND] type', text);
  const start = Number(match[1]);
  const end = Number(match[2]);
  if (end < start) throw reader.wrong('MCH005', path, `an end at or above ${hex(start)}`, hex(end));
  return { start, end, type: match[3]! };
}

function findContradictions(machine: Omit<MachineDescription, 'unknownFields' | 'contradictions'>): string[] {
  const found: string[] = [];
  const pool = machine.swiotlb;
  if (pool !== undefined) {
    const slots = (pool.endExclusive - pool.start) / SLOT_BYTES;
    if (slots !== pool.slots) found.push(`swiotlb: ${pool.slots} slots do not fit a range of ${slots} slots`);
    if (pool.areas * SLOTS_PER_AREA_MIN > Math.max(pool.slots, SLOTS_PER_AREA_MIN)) {
      found.push(`swiotlb: ${pool.areas} areas need ${pool.areas * SLOTS_PER_AREA_MIN} slots, the pool has ${pool.slots}`);
    }
  }
  for (const cpu of machine.onlineCpus) {
    if (machine.possibleCpus.length > 0 && !machine.possibleCpus.includes(cpu))
      found.push(`onlineCpus: CPU ${cpu} is not among possibleCpus`);
  }
  return [...found, ...deviceContradictions(machine.devices, machine.reservedRegions)];
}

function deviceContradictions(devices: readonly DeviceDescription[], regions: readonly ReservedRegion[]): string[] {
  const found: string[] = [];
  const reservedGroups = new Set(regions.map((region) => region.iommuGroup));
  const seen = new Set<string>();
  const typeOfGroup = new Map<number, DomainTypeName>();
  for (const device of devices) {
    if (seen.has(device.address)) found.push(`devices: ${device.address} is listed twice`);
    seen.add(device.address);
    const group = device.iommuGroup;
    if (group === undefined) continue;
    if (regions.length > 0 && !reservedGroups.has(group))
      found.push(`devices: ${device.address} is in group ${group}, which has no reserved region`);
    const type = typeOfGroup.get(group) ?? device.domainType;
    if (type === undefined) continue;
    typeOfGroup.set(group, type);
    if (device.domainType !== undefined && device.domainType !== type) {
      found.push(`devices: ${device.address} has domain type ${device.domainType}, its group ${group} has ${type}`);
    }
  }
  return found;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
