/**
 * Root and context tables in legacy mode: which tables translate the requests of a device.
 *
 * The root table has 256 entries of 128 bits, one per bus, each pointing to a context table with 256 entries of 128 bits,
 * one per device and function. All are kept bit for bit in page frames, where the hardware reads them.
 *
 * @source Intel VT-d specification, "Root Entry", "Context Entry"; Linux v6.12 drivers/iommu/intel/iommu.h context_set_*
 */
import { assert, type DomainId, type Pfn } from '../base/index.ts';
import { type FrameStore, WORDS_PER_FRAME } from '../mem/index.ts';
import { type Capability, type ExtendedCapability, supportsLevels } from './capability.ts';
import { FaultReason } from './fault.ts';
import { entryHigh, entryLow, entryPfn } from './second-level-entry.ts';

/** Translation type, bits 3:2 of a context entry. */
export const TranslationType = {
  /** Requests go through the tables; others are blocked. */
  UNTRANSLATED: 0,
  /** The same, and the device may have a device-TLB. */
  WITH_DEVICE_TLB: 1,
  /** Addresses are physical. */
  PASS_THROUGH: 2,
} as const;
export type TranslationType = (typeof TranslationType)[keyof typeof TranslationType];

const PRESENT = 0x1;
const FAULTS_DISABLED = 0x2;
const ROOT_RESERVED_LOW = 0xffe;
const CONTEXT_RESERVED_LOW = 0xff0;
const CONTEXT_RESERVED_HIGH = 0xff000080;
const WORDS_PER_ENTRY = 4;

/** A context entry with names, as `read` leaves it. One object is reused. */
export class ContextEntry {
  domainId: DomainId = 0;
  type: TranslationType = TranslationType.UNTRANSLATED;
  rootPfn: Pfn = 0;
  levels = 0;
  /** FPD: faults of this device are not recorded. */
  faultsDisabled = false;
}

export class ContextTable {
  /** Frame of the root table: the address in RTADDR. */
  readonly rootTablePfn: Pfn;
  private readonly frames: FrameStore;
  private readonly capability: Capability;
  private readonly extended: ExtendedCapability;

  /** Takes a frame for the root table; the context table of a bus comes with its first device. */
  constructor(frames: FrameStore, capability: Capability, extended: ExtendedCapability) {
    this.frames = frames;
    this.capability = capability;
    this.extended = extended;
    this.rootTablePfn = frames.alloc();
  }

  /**
   * Writes a present entry. The caller flushes what the unit may have cached of an earlier one.
   *
   * @param rootPfn  frame of the top table; 0 for pass-through
   * @param levels   of the tables; for pass-through the largest that the unit supports
   */
  set(sourceId: number, domainId: DomainId, type: TranslationType, rootPfn: Pfn, levels: number, faultsDisabled: boolean): void {
    const frame = this.contextFrame(sourceId, true);
    const word = (frame - this.frames.basePfn) * WORDS_PER_FRAME + (sourceId & 0xff) * WORDS_PER_ENTRY;
    const words = this.frames.words;
    words[word] = entryLow(rootPfn, PRESENT | (faultsDisabled ? FAULTS_DISABLED : 0) | (type << 2));
    words[word + 1] = entryHigh(rootPfn);
    words[word + 2] = (levels - 2) | (domainId << 8);
    words[word + 3] = 0;
    this.frames.noteWrite(word, WORDS_PER_ENTRY);
  }

  /** Blocks the device: its entry is not present any more. */
  clear(sourceId: number): void {
    const frame = this.contextFrame(sourceId, false);
    if (frame === 0) return;
    const word = (frame - this.frames.basePfn) * WORDS_PER_FRAME + (sourceId & 0xff) * WORDS_PER_ENTRY;
    this.frames.words.fill(0, word, word + WORDS_PER_ENTRY);
    this.frames.noteWrite(word, WORDS_PER_ENTRY);
  }

  /** What the hardware does on a context-cache miss: fills `into` and returns 0, or returns a FaultReason. */
  read(sourceId: number, into: ContextEntry): FaultReason | 0 {
    const words = this.frames.words;
    const root = this.rootWord(sourceId);
    if ((words[root] & PRESENT) === 0) return FaultReason.ROOT_NOT_PRESENT;
    if ((words[root] & ROOT_RESERVED_LOW) !== 0 || (words[root + 2] | words[root + 3]) !== 0) return FaultReason.ROOT_RESERVED_BITS;
    const frame = entryPfn(words[root + 1], words[root]) - this.frames.basePfn;
    if (frame < 0 || frame * WORDS_PER_FRAME >= words.length) return FaultReason.CONTEXT_TABLE_INVALID;
    const word = frame * WORDS_PER_FRAME + (sourceId & 0xff) * WORDS_PER_ENTRY;
    const low = words[word];
    const high = words[word + 2];
    if ((low & PRESENT) === 0) return FaultReason.CONTEXT_NOT_PRESENT;
    if ((low & CONTEXT_RESERVED_LOW) !== 0 || (high & CONTEXT_RESERVED_HIGH) !== 0 || words[word + 3] !== 0)
      return FaultReason.CONTEXT_RESERVED_BITS;
    const type = (low >>> 2) & 3;
    const levels = (high & 7) + 2;
    if (!this.permitsType(type) || !supportsLevels(this.capability, levels)) return FaultReason.CONTEXT_INVALID;
    into.domainId = (high >>> 8) & 0xffff;
    into.type = type as TranslationType;
    into.rootPfn = entryPfn(words[word + 1], low);
    into.levels = levels;
    into.faultsDisabled = (low & FAULTS_DISABLED) !== 0;
    return 0;
  }

  /** One of the four 32-bit words of a device's entry, lowest bits first; 0 while its bus has no context table. */
  wordAt(sourceId: number, word: 0 | 1 | 2 | 3): number {
    const frame = this.contextFrame(sourceId, false);
    if (frame === 0) return 0;
    return this.frames.words[(frame - this.frames.basePfn) * WORDS_PER_FRAME + (sourceId & 0xff) * WORDS_PER_ENTRY + word];
  }

  private permitsType(type: number): boolean {
    if (type === TranslationType.UNTRANSLATED) return true;
    if (type === TranslationType.WITH_DEVICE_TLB) return this.extended.deviceTlb;
    return type === TranslationType.PASS_THROUGH && this.extended.passThrough;
  }

  private rootWord(sourceId: number): number {
    assert(sourceId >= 0 && sourceId <= 0xffff, 'source id has 16 bits');
    return (this.rootTablePfn - this.frames.basePfn) * WORDS_PER_FRAME + (sourceId >>> 8) * WORDS_PER_ENTRY;
  }

  /** Frame of the bus's context table, 0 when it has none and none is to be made. */
  private contextFrame(sourceId: number, make: boolean): Pfn {
    const root = this.rootWord(sourceId);
    if ((this.frames.words[root] & PRESENT) !== 0) return entryPfn(this.frames.words[root + 1], this.frames.words[root]);
    if (!make) return 0;
    const frame = this.frames.alloc();
    this.frames.words[root] = entryLow(frame, PRESENT);
    this.frames.words[root + 1] = entryHigh(frame);
    this.frames.noteWrite(root, 2);
    return frame;
  }
}
