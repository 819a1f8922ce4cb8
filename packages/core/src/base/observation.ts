import type { Ns } from './units.ts';

/**
 * What the engine did, in the kernel's own vocabulary: the one stream that every consumer reads.
 *
 * The comment of each kind names the value columns a to f that it fills; unnamed ones are 0. Addresses and sizes are
 * bytes, `pfn` are page frames. Kinds marked (line) correspond to a line of a kernel trace.
 */
export const Observed = {
  /** (line `iommu:map`) a iova, b paddr, c bytes, d rights really in the entries (1 read, 2 write, 3 both). Entries are in place. */
  MAPPED: 1,
  /** (line `iommu:unmap`) a iova, b bytes asked, c bytes that were unmapped. Entries are cleared, caches are not. */
  UNMAPPED: 2,
  /** (line `swiotlb:swiotlb_bounced`) a address of the original buffer, b bytes, c 1 when the pool is forced. Also for a mapping that then fails. */
  BOUNCED: 3,
  /** a first slot (padding slots included), b slots, c tlb_addr, d padding slots, e slots looked at, f bytes searched for. */
  SLOT_ALLOCATED: 4,
  /** a first slot (padding slots included), b slots. The device is the one that had them, whoever releases them. */
  SLOT_RELEASED: 5,
  /** No area had room: a bytes searched for, b slots needed, c slots looked at. The mapping may search again after an early flush. */
  SLOT_FAILED: 6,
  /** Original buffer to slots: a tlb_addr, b bytes, c original address. */
  COPIED_IN: 7,
  /** Slots to original buffer: a tlb_addr, b bytes, c original address. */
  COPIED_OUT: 8,
  /** Padding of a bounced page cleared: a physical address, b bytes. */
  ZEROED: 9,
  /** a first pfn, b pages asked for (the range can be longer), c 1 from the CPU's caches, 0 from the tree. */
  IOVA_ALLOCATED: 10,
  /** a first pfn, b pages, c 1 into the CPU's caches, 0 back to the tree. */
  IOVA_FREED: 11,
  /** a pages, b highest pfn allowed. */
  IOVA_FAILED: 12,
  /** (line `qi_submit`) a, b high and low half of qw0, c, d high and low half of qw1. */
  DESCRIPTOR_SUBMITTED: 13,
  /** The wait behind a submission has completed: a descriptors that the unit executed for it, the wait itself included. */
  INVALIDATION_COMPLETED: 14,
  /** (line `cache_tag_flush_range`) a start, b end inclusive, c address sent, d pages, e mask (log2 of the pages invalidated). */
  CACHE_TAG_FLUSH_RANGE: 15,
  /** (line `cache_tag_flush_range_np`) columns as for CACHE_TAG_FLUSH_RANGE. */
  CACHE_TAG_FLUSH_RANGE_NP: 16,
  /** (line `cache_tag_flush_all`). */
  CACHE_TAG_FLUSH_ALL: 17,
  /** An unmapped range waits for the next flush: a first pfn, b pages, c entries now waiting on this CPU's ring. */
  FLUSH_QUEUED: 18,
  /** A flush of the domain begins: a cause, see FlushCause. */
  FLUSH_STARTED: 19,
  /** The flush has ended: a cause. */
  FLUSH_FINISHED: 20,
  /** a page frame of the new table page, b level (1 = leaf table). */
  TABLE_ALLOCATED: 21,
  /** a page frame, b level. */
  TABLE_FREED: 22,
  /** A request was refused: a address, b VT-d reason code, c 1 read or 0 write. */
  FAULTED: 23,
  /** A call of the DMA API begins: a call kind, b first argument (physical or DMA address), c bytes. */
  CALL_BEGUN: 24,
  /** It has returned: a call kind, b result (DMA address, segment count, or DMA_MAPPING_ERROR). */
  CALL_ENDED: 25,
  /** Slots wait for a flush of the domain: a first slot (padding slots included), b slots, c entries with slots now waiting in this domain. */
  SLOT_DEFERRED: 26,
  /** A mapping takes a shadow buffer: a tlb_addr of its data, b bytes of the mapping, c 1 when the buffer is new, d bytes of the whole buffer. */
  SHADOW_TAKEN: 27,
  /** It gives it back, still mapped to the same device: a tlb_addr of its data, b bytes of the mapping. */
  SHADOW_RETURNED: 28,
  /** A range of whole pages that found no slots is mapped as it is, behind its BOUNCED: a physical address, b bytes. */
  BOUNCE_FORGONE: 29,
} as const;
export type Observed = (typeof Observed)[keyof typeof Observed];

/**
 * Why a flush queue was flushed. The two POOL causes are early flushes for a mapping that found the bounce pool dry, of
 * its device's own domain or of another; the observation's device is the one that asks, its domain the one flushed.
 */
export const FlushCause = { TIMER: 0, RING_FULL: 1, TEARDOWN: 2, POOL_OWN: 3, POOL_FOREIGN: 4 } as const;
export type FlushCause = (typeof FlushCause)[keyof typeof FlushCause];

/**
 * Append-only rows of observations. Consumers read rows 0 to `length` - 1 and the driver of the engine clears it; nothing
 * is allocated per row once the columns have grown to the size of one batch.
 */
export class ObservationLog {
  length = 0;
  /** Time stamped on rows from now on. */
  nowNs: Ns = 0;
  kind: Uint8Array;
  cpu: Uint16Array;
  /** Device index of the machine, -1 when no device is known at that place (hardware). */
  device: Int32Array;
  /** Domain id, -1 when none. */
  domain: Int32Array;
  timeNs: Float64Array;
  a: Float64Array;
  b: Float64Array;
  c: Float64Array;
  d: Float64Array;
  e: Float64Array;
  f: Float64Array;

  constructor(capacity = 1024) {
    this.kind = new Uint8Array(capacity);
    this.cpu = new Uint16Array(capacity);
    this.device = new Int32Array(capacity);
    this.domain = new Int32Array(capacity);
    this.timeNs = new Float64Array(capacity);
    this.a = new Float64Array(capacity);
    this.b = new Float64Array(capacity);
    this.c = new Float64Array(capacity);
    this.d = new Float64Array(capacity);
    this.e = new Float64Array(capacity);
    this.f = new Float64Array(capacity);
  }

  emit(kind: Observed, cpu: number, device: number, domain: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    const row = this.length;
    if (row === this.kind.length) this.grow();
    this.length = row + 1;
    this.kind[row] = kind;
    this.cpu[row] = cpu;
    this.device[row] = device;
    this.domain[row] = domain;
    this.timeNs[row] = this.nowNs;
    this.a[row] = a;
    this.b[row] = b;
    this.c[row] = c;
    this.d[row] = d;
    this.e[row] = e;
    this.f[row] = f;
  }

  clear(): void {
    this.length = 0;
  }

  private grow(): void {
    const capacity = this.kind.length * 2;
    const grown = new ObservationLog(capacity);
    grown.kind.set(this.kind);
    grown.cpu.set(this.cpu);
    grown.device.set(this.device);
    grown.domain.set(this.domain);
    for (const name of ['timeNs', 'a', 'b', 'c', 'd', 'e', 'f'] as const) {
      grown[name].set(this[name]);
      this[name] = grown[name];
    }
    this.kind = grown.kind;
    this.cpu = grown.cpu;
    this.device = grown.device;
    this.domain = grown.domain;
  }
}
