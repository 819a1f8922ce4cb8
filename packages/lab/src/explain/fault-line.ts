import { LabError } from 'dmalab-core';

/** Who reports a fault, by the form of its line. */
export type FaultReporter = 'VT-d' | 'AMD-Vi' | 'Arm SMMU' | 'trace event';

/** One refused access as a kernel log tells it. */
export interface FaultLine {
  /** The line in one piece, printable ASCII. */
  readonly text: string;
  readonly reporter: FaultReporter;
  /** Full PCI address, `0000:02:00.0`; null when the line names no PCI device. */
  readonly device: string | null;
  /** Address asked for, bytes; a multiple of 4096 in VT-d lines, which lose the offset. Null for an interrupt. */
  readonly address: number | null;
  /** True for a write, false for a read, null where the line does not say. */
  readonly isWrite: boolean | null;
  /** Fault reason of VT-d, null elsewhere. */
  readonly reason: number | null;
  /** The access carried a process address space id. */
  readonly pasid: number | null;
  /** The request was an interrupt: no DMA, no mapping. */
  readonly isInterrupt: boolean;
  /** Seconds since boot on the log's clock, null without a time of that kind. */
  readonly seconds: number | null;
}

/** What a log holds. */
export interface FaultLog {
  readonly faults: readonly FaultLine[];
  readonly lines: number;
  /** Messages that the kernel counted and did not print: its rate limit is 10 in 5 s. */
  readonly suppressed: number;
  /** Lines that begin like a fault and are none of the known forms. */
  readonly notUnderstood: number;
}

/** The forms that are understood, for messages. */
const FORMS = 'DMAR: [DMA Write ...] Request device [..] fault addr ..., AMD-Vi: Event logged [IO_PAGE_FAULT ...], arm-smmu, io_page_fault';
const SHOWN_CHARACTERS = 80;
/** Lines that one fault may be broken into: by old kernels, by mail programs. */
const PIECES_MAX = 4;

/** Where a fault begins, whatever follows. */
const BEGINNING = /Request\s+device\s+\[|\bIO_PAGE_FAULT\b|Unhandled context fault:|\bevent: F_[A-Z_]+ client:|\bio_page_fault: IOMMU:/;
/** What a fault of each form ends with; until then the next lines may belong to it. */
const COMPLETE =
  /fault\s+reason\s+\w+\]|IO_PAGE_FAULT[^\]]*\]|Unhandled context fault:.*\bcbfrsynra=|Unhandled context fault:.*\bcb=|(?:un)?priv (?:data|inst) (?:read|write)|io_page_fault: IOMMU:.*flags=/;
const SUPPRESSED = /\b(?:dmar|amd_iommu|arm_smmu|io_page_fault|iommu)\w*: (\d+) callbacks suppressed/;

/** `[  327.753902]`; wall-clock times and differences to the line before are no times of the boot clock. */
const BOOT_TIME = /\[\s*(\d+\.\d{1,9})\]/;
/** Of a line of a trace: `26.268123: io_page_fault:`. */
const TRACE_TIME = /\s(\d+\.\d{1,9}): io_page_fault:/;

/**
 * VT-d; before 5.14 the address had no 0x and the reason was decimal, before 4.20 no PASID, before 4.x the line was two.
 * @source Linux v6.12 drivers/iommu/intel/dmar.c dmar_fault_do_one(), and the same function (drivers/iommu/dmar.c) of v3.10, v4.4, v5.4
 */
const VTD =
  /\[DMA (Read|Write)(?: (?:NO_PASID|PASID 0x([0-9a-f]+)))?\]\s+Request device \[\[?([0-9a-f:.]+)\](?:\s+PASID ([0-9a-f]+))?\s+fault addr (?:0x)?([0-9a-f]+)/i;
const VTD_INTERRUPT = /INTR-REMAP[:\]]\s*Request device \[\[?([0-9a-f:.]+)\]\s+fault index/i;
const VTD_REASON = /fault\s+reason\s+(0x)?([0-9a-f]+)\]/i;
/** What older kernels print for a request without PASID. */
const NO_PASID = 'ffffffff';

/** @source AMD I/O Virtualization Technology (IOMMU) Specification, IO_PAGE_FAULT event: I, PR and RW as the kernel prints them */
const AMD_FLAG_INTERRUPT = 0x08;
const AMD_FLAG_PRESENT = 0x10;
const AMD_FLAG_WRITE = 0x20;

/** Write, not read. @source Arm SMMUv2 architecture specification, SMMU_CBn_FSYNR0.WNR */
const SMMU_WRITE = 0x10;

/** @source Linux v6.12 include/linux/iommu.h IOMMU_FAULT_WRITE */
const REPORTED_WRITE = 1;

/**
 * Reads one fault as it stands in a log, also when a mail program has broken and quoted it.
 *
 * @throws LabError EXP003 when the text is no fault line of a known form
 */
export function parseFaultLine(text: string): FaultLine {
  const [fault] = parseFaultLog(text).faults;
  if (fault !== undefined) return fault;
  throw notUnderstood(text);
}

/** All faults of a log, in its order; a log may have none. */
export function parseFaultLog(log: string): FaultLog {
  const lines = log.split(/\r?\n/).map((line) => line.replace(/^(?:\s*>)+\s?/, ''));
  const faults: FaultLine[] = [];
  let suppressed = 0;
  let notUnderstood = 0;
  for (let index = 0; index < lines.length; index++) {
    suppressed += Number(SUPPRESSED.exec(lines[index])?.[1] ?? 0);
    if (!BEGINNING.test(lines[index])) continue;
    const fault = faultOf(wholeFault(lines, index));
    if (fault !== undefined) faults.push(fault);
    else notUnderstood += 1;
  }
  return { faults, lines: lines.length, suppressed, notUnderstood };
}

/** The line at `index` and as many of the next as it takes to complete it. */
function wholeFault(lines: readonly string[], index: number): string {
  let whole = lines[index];
  for (let next = index + 1; next < Math.min(index + PIECES_MAX, lines.length); next++) {
    if (COMPLETE.test(whole) || BEGINNING.test(lines[next])) break;
    const joined = `${whole} ${lines[next].trim()}`;
    // Without its second part a fault is still one; unrelated lines are not taken with it.
    if (!COMPLETE.test(joined) && faultOf(whole) !== undefined) break;
    whole = joined;
  }
  return whole.trim();
}

function faultOf(text: string): FaultLine | undefined {
  return vtdFault(text) ?? vtdInterrupt(text) ?? amdFault(text) ?? smmuFault(text) ?? tracedFault(text);
}

function vtdFault(text: string): FaultLine | undefined {
  const match = VTD.exec(text);
  if (match === null) return undefined;
  const [, access, pasid, device, oldPasid, address] = match;
  const printed = pasid ?? (oldPasid?.toLowerCase() === NO_PASID ? undefined : oldPasid);
  return {
    ...common(text, 'VT-d', device),
    address: Number.parseInt(address, 16),
    isWrite: access.toLowerCase() === 'write',
    reason: reasonOf(text),
    pasid: printed === undefined ? null : Number.parseInt(printed, 16),
  };
}

function vtdInterrupt(text: string): FaultLine | undefined {
  const match = VTD_INTERRUPT.exec(text);
  if (match === null) return undefined;
  return { ...common(text, 'VT-d', match[1]), reason: reasonOf(text), isInterrupt: true };
}

/** Decimal until the kernel began to print 0x. */
function reasonOf(text: string): number | null {
  const match = VTD_REASON.exec(text);
  return match === null ? null : Number.parseInt(match[2], match[1] === undefined ? 10 : 16);
}

/** AMD: device in front of the message or inside it; its segment since 6.0. @source Linux v6.12 drivers/iommu/amd/iommu.c amd_iommu_report_page_fault() */
function amdFault(text: string): FaultLine | undefined {
  const match = /\[?IO_PAGE_FAULT\s+([^\]]*)\]/.exec(text);
  if (match === null) return undefined;
  const address = field(match[1], 'address');
  const flags = field(match[1], 'flags');
  if (address === null || flags === null) return undefined;
  const device = /\bdevice=([0-9a-f:.]+)/i.exec(match[1]) ?? /([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): AMD-Vi:/i.exec(text);
  const isInterrupt = (flags & AMD_FLAG_INTERRUPT) !== 0;
  return {
    ...common(text, 'AMD-Vi', device?.[1]),
    address: isInterrupt ? null : address,
    isWrite: (flags & AMD_FLAG_PRESENT) === 0 ? null : (flags & AMD_FLAG_WRITE) !== 0,
    pasid: field(match[1], 'pasid') || null,
    isInterrupt,
  };
}

/** @source Linux v6.12 drivers/iommu/arm/arm-smmu/arm-smmu.c arm_smmu_context_fault(); arm-smmu-v3 as of v6.13 */
function smmuFault(text: string): FaultLine | undefined {
  const old = text.includes('Unhandled context fault:');
  const client = /event: F_[A-Z_]+ client: (\S+)/.exec(text);
  const address = field(text, 'iova') ?? hexNumber(/\biova: 0x([0-9a-f]+)/i.exec(text)?.[1]);
  if ((!old && client === null) || address === null) return undefined;
  const syndrome = field(text, 'fsynr');
  const access = /(?:un)?priv (?:data|inst) (read|write)/.exec(text)?.[1];
  const isWrite = syndrome === null ? null : (syndrome & SMMU_WRITE) !== 0;
  return { ...common(text, 'Arm SMMU', client?.[1]), address, isWrite: access === undefined ? isWrite : access === 'write' };
}

function tracedFault(text: string): FaultLine | undefined {
  const match = /io_page_fault: IOMMU:\s*\S+ (\S+) iova=0x([0-9a-f]+) flags=0x([0-9a-f]+)/i.exec(text);
  if (match === null) return undefined;
  const seconds = TRACE_TIME.exec(text)?.[1];
  return {
    ...common(text, 'trace event', match[1]),
    address: Number.parseInt(match[2], 16),
    isWrite: (Number.parseInt(match[3], 16) & REPORTED_WRITE) !== 0,
    seconds: seconds === undefined ? null : Number(seconds),
  };
}

/** What all forms have in common; the rest as for a line that does not say. */
function common(text: string, reporter: FaultReporter, device: string | undefined): FaultLine {
  const seconds = BOOT_TIME.exec(text)?.[1];
  return {
    text: text.replace(/\s+/g, ' ').replace(/[^\x20-\x7e]/g, '?'),
    reporter,
    device: device === undefined ? null : fullDeviceName(device),
    address: null,
    isWrite: null,
    reason: null,
    pasid: null,
    isInterrupt: false,
    seconds: seconds === undefined ? null : Number(seconds),
  };
}

/** `0000:02:00.0` for `02:00.0`; null for what is no PCI address. */
function fullDeviceName(device: string): string | null {
  const match = /^(?:([0-9a-f]{4,}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(device);
  return match === null ? null : `${match[1] ?? '0000'}:${match[2]}:${match[3]}.${match[4]}`.toLowerCase();
}

function field(text: string, name: string): number | null {
  return hexNumber(new RegExp(`\\b${name}=(?:0x)?([0-9a-f]+)`, 'i').exec(text)?.[1]);
}

function hexNumber(digits: string | undefined): number | null {
  return digits === undefined ? null : Number.parseInt(digits, 16);
}

function notUnderstood(got: string): LabError {
  const text = got
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?');
  return new LabError({
    code: 'EXP003',
    message: 'The fault line was not understood.',
    expected: FORMS,
    got: text === '' ? 'nothing' : `${text.slice(0, SHOWN_CHARACTERS)}${text.length > SHOWN_CHARACTERS ? '...' : ''}`,
    next: 'paste the whole line of dmesg in quotes, or give the address with --iova',
  });
}
