/**
 * The slot allocator as one reads it in the kernel: an array of slots, searched one index after the other and renumbered
 * one slot after the other. Slow and obvious; addresses are bigint so that masks of any width are just masks.
 */
import type { KernelRules } from '../base/index.ts';

const ALL_ONES = 2n ** 64n - 1n;
const PAGE = 4096n;

export interface OracleResult {
  /** tlb_addr, or the way it failed. */
  readonly tlb: number | 'full' | 'endless';
  readonly firstSlot: number;
  readonly slots: number;
  readonly padSlots: number;
  readonly looks: number;
}

export class OraclePool {
  readonly list: number[] = [];
  readonly origAddr: bigint[] = [];
  /** Signed: what the kernel wraps below zero is negative. */
  readonly allocSize: bigint[] = [];
  readonly padSlots: number[] = [];
  readonly index: number[] = [];
  readonly areaUsed: number[] = [];
  hiwater = 0;
  private readonly start: bigint;
  private readonly slots: number;
  private readonly areas: number;
  private readonly areaSlots: number;
  private readonly kernel: KernelRules;
  private readonly slotBytes: bigint;
  private readonly segmentSlots: number;

  constructor(start: number, slots: number, areas: number, kernel: KernelRules, slotBytes: number, segmentSlots: number) {
    this.start = BigInt(start);
    this.slots = slots;
    this.areas = areas;
    this.areaSlots = Math.floor(slots / areas);
    this.kernel = kernel;
    this.slotBytes = BigInt(slotBytes);
    this.segmentSlots = segmentSlots;
    for (let i = 0; i < slots; i++) {
      this.list.push(Math.min(segmentSlots - (i % segmentSlots), slots - i));
      this.origAddr.push(ALL_ONES);
      this.allocSize.push(0n);
      this.padSlots.push(0);
    }
    for (let area = 0; area < areas; area++) {
      this.index.push(0);
      this.areaUsed.push(0);
    }
  }

  get used(): number {
    return this.areaUsed.reduce((sum, used) => sum + used, 0);
  }

  /** @param b  segment boundary mask, Infinity for all ones */
  allocate(original: number, bytes: number, a: number, m: number, b: number, cpu: number): OracleResult {
    const orig = BigInt(original);
    const alignMask = BigInt(a);
    const minMask = BigInt(m);
    const boundaryMask = b === Number.POSITIVE_INFINITY ? ALL_ONES : BigInt(b);
    const slotMask = this.slotBytes - 1n;
    const lead = this.kernel === '6.1' ? orig & minMask & slotMask : orig & minMask & (alignMask | slotMask);
    const pad = Number(lead / this.slotBytes);
    const off = lead & slotMask;
    const size = this.kernel === '6.1' ? ceilTo(BigInt(bytes), alignMask + 1n) + off : ceilTo(BigInt(bytes) + lead, alignMask + 1n);
    const n = Number(ceilTo(size, this.slotBytes) / this.slotBytes);
    let looks = 0;
    for (let k = 0; k < this.areas; k++) {
      const area = ((cpu & (this.areas - 1)) + k) % this.areas;
      const search = { orig, alignMask, minMask, boundaryMask, size, n };
      const [index, areaLooks] = this.kernel === '6.1' ? this.search61(area, search) : this.search612(area, search);
      looks += areaLooks;
      if (index === 'endless') return { tlb: 'endless', firstSlot: -1, slots: n, padSlots: 0, looks };
      if (index === 'none') continue;
      const first = area * this.areaSlots + index;
      this.take(area, index, n, size, off);
      for (let i = first + pad; i < first + n; i++) this.origAddr[i] = orig + this.slotBytes * BigInt(i - first - pad);
      this.padSlots[first + pad] = pad;
      const tlb = this.start + this.slotBytes * BigInt(first + pad) + off;
      return { tlb: Number(tlb), firstSlot: first, slots: n, padSlots: pad, looks };
    }
    return { tlb: 'full', firstSlot: -1, slots: n, padSlots: 0, looks };
  }

  release(tlbAddress: number, m: number): void {
    const tlb = BigInt(tlbAddress);
    const off = tlb & BigInt(m) & (this.slotBytes - 1n);
    let slot = Number((tlb - off - this.start) / this.slotBytes);
    slot -= this.padSlots[slot];
    const n = Number(ceilTo(this.allocSize[slot] + off, this.slotBytes) / this.slotBytes);
    const segmentEnd = (Math.floor(slot / this.segmentSlots) + 1) * this.segmentSlots;
    let count = slot + n < Math.min(segmentEnd, this.slots) ? this.list[slot + n] : 0;
    for (let i = slot + n - 1; i >= slot; i--) {
      this.list[i] = ++count;
      this.origAddr[i] = ALL_ONES;
      this.allocSize[i] = 0n;
      this.padSlots[i] = 0;
    }
    for (let i = slot - 1; i >= segmentEnd - this.segmentSlots && this.list[i] !== 0; i--) this.list[i] = ++count;
    this.areaUsed[Math.floor(slot / this.areaSlots)] -= n;
  }

  private search61(area: number, s: Search): [number | 'none' | 'endless', number] {
    if (s.n > this.areaSlots - this.areaUsed[area]) return ['none', 0];
    const fullAlign = s.alignMask | (this.slotBytes - 1n);
    const match = s.minMask & ~fullAlign;
    let stride = Number(match / this.slotBytes) + 1;
    if (s.size >= PAGE) stride *= Number(PAGE / this.slotBytes);
    stride = Math.max(stride, Number(fullAlign / this.slotBytes) + 1);
    const maxSlots = s.boundaryMask === ALL_ONES ? 2n ** 53n : ceilTo(s.boundaryMask + 1n, this.slotBytes) / this.slotBytes;
    const wrap = this.wrap(Math.ceil(this.index[area] / stride) * stride);
    let index = wrap;
    for (let looks = 1; ; looks++) {
      const slot = area * this.areaSlots + index;
      const t = (this.start & s.boundaryMask) + BigInt(slot) * this.slotBytes;
      let step = stride;
      if (s.orig !== 0n && (t & match) !== (s.orig & match)) step = 1;
      else if (this.fits(slot, s, maxSlots)) return [index, looks];
      index = this.wrap(index + step);
      if (index === wrap) return ['none', looks];
      if (looks === this.areaSlots) return ['endless', looks];
    }
  }

  private search612(area: number, s: Search): [number | 'none', number] {
    if (s.n > this.areaSlots - this.areaUsed[area]) return ['none', 0];
    const pageWise = s.alignMask === 0n && s.minMask === 0n && s.size >= PAGE;
    const fullAlign = (pageWise ? PAGE - 1n : s.alignMask) | (this.slotBytes - 1n);
    const match = s.minMask & ~fullAlign;
    const stride = Number((fullAlign > match ? fullAlign : match) / this.slotBytes) + 1;
    const maxSlots = s.boundaryMask / this.slotBytes + 1n;
    let index = this.index[area];
    let looks = 0;
    for (let checked = 0; checked < this.areaSlots; ) {
      looks += 1;
      const slot = area * this.areaSlots + index;
      const t = (this.start & s.boundaryMask) + BigInt(slot) * this.slotBytes;
      let step = stride;
      if ((t & fullAlign) !== 0n || (s.orig !== 0n && (t & match) !== (s.orig & match))) step = 1;
      else if (this.fits(slot, s, maxSlots)) return [index, looks];
      index = this.wrap(index + step);
      checked += step;
    }
    return ['none', looks];
  }

  private fits(slot: number, s: Search, maxSlots: bigint): boolean {
    const place = ((this.start & s.boundaryMask) / this.slotBytes + BigInt(slot)) & (maxSlots - 1n);
    return place + BigInt(s.n) <= maxSlots && this.list[slot] >= s.n;
  }

  private take(area: number, index: number, n: number, size: bigint, off: bigint): void {
    const first = area * this.areaSlots + index;
    for (let k = 0; k < n; k++) {
      this.list[first + k] = 0;
      this.allocSize[first + k] = size - (off + this.slotBytes * BigInt(k));
    }
    const segmentStart = Math.floor(first / this.segmentSlots) * this.segmentSlots;
    let count = 0;
    for (let i = first - 1; i >= segmentStart && this.list[i] !== 0; i--) this.list[i] = ++count;
    this.index[area] = this.wrap(index + n);
    this.areaUsed[area] += n;
    this.hiwater = Math.max(this.hiwater, this.used);
  }

  private wrap(index: number): number {
    return index >= this.areaSlots ? 0 : index;
  }
}

interface Search {
  readonly orig: bigint;
  readonly alignMask: bigint;
  readonly minMask: bigint;
  readonly boundaryMask: bigint;
  readonly size: bigint;
  readonly n: number;
}

function ceilTo(value: bigint, step: bigint): bigint {
  return ((value + step - 1n) / step) * step;
}
