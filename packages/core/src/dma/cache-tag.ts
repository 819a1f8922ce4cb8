import {
  assert,
  type Cpu,
  ceilLog2,
  high32,
  type Iova,
  type KernelRules,
  low32,
  type ObservationLog,
  Observed,
  PAGE_SIZE,
  roundDown,
} from '../base/index.ts';
import {
  type Drain,
  encodeContextCacheDomain,
  encodeIotlbDomain,
  encodeIotlbPages,
  encodeWait,
  type IommuUnit,
  newDescriptor,
  QueueStep,
  WAIT_DONE,
} from '../iommu/index.ts';

/** Enough mask for any address: what is sent when no power-of-two block below the address width holds both ends. */
const MAX_ADDRESS_MASK = 52;

/**
 * Decides which invalidation a flush becomes and puts it on the unit's queue, as the Intel driver does.
 *
 * A range becomes one page-selective command for the smallest aligned power-of-two block that holds it, or a
 * domain-selective one where the unit cannot express that. A lazy flush is always domain-selective.
 *
 * Differs: a domain has one unit, second-level tables and no device with a TLB of its own, so that each flush is one
 * descriptor. First-level tables (PASID-IOTLB commands) and ATS (a device-TLB command per device) are not modelled.
 *
 * @source Linux v6.12 drivers/iommu/intel/cache.c cache_tag_flush_range(), cache_tag_flush_all(); v6.1 drivers/iommu/intel/iommu.c iommu_flush_iotlb_psi()
 */
export class CacheTagFlusher {
  /** Write-buffer flushes after mapping, for units that ask for them (RWBF). Statistics, not part of the state. */
  writeBufferFlushes = 0;
  private readonly unit: IommuUnit;
  private readonly log: ObservationLog;
  private readonly kernel: KernelRules;
  private readonly drain: Drain;
  private readonly descriptor = newDescriptor();
  private readonly waitDescriptor = newDescriptor();

  constructor(unit: IommuUnit, log: ObservationLog, kernel: KernelRules) {
    this.unit = unit;
    this.log = log;
    this.kernel = kernel;
    this.drain = ((unit.capability.drainsWrites ? 1 : 0) | (unit.capability.drainsReads ? 2 : 0)) as Drain;
  }

  /** Whether making entries present needs a flush too (caching mode). */
  get flushesOnMap(): boolean {
    return this.unit.capability.cachingMode;
  }

  /**
   * Invalidates a range after unmap. The submission is complete only after `wait`.
   *
   * @param start            first byte
   * @param end              last byte, inclusive
   * @param leafEntriesOnly  no page-table page was freed, so non-leaf cache entries may stay (IH)
   */
  flushRange(cpu: Cpu, device: number, domainId: number, start: Iova, end: Iova, leafEntriesOnly: boolean): void {
    this.flush(Observed.CACHE_TAG_FLUSH_RANGE, cpu, device, domainId, start, end, leafEntriesOnly && this.kernel !== '6.1');
  }

  /** Tells a caching-mode unit that a range has become present. */
  flushRangeNp(cpu: Cpu, device: number, domainId: number, start: Iova, end: Iova): void {
    this.flush(Observed.CACHE_TAG_FLUSH_RANGE_NP, cpu, device, domainId, start, end, false);
  }

  /** What follows a mapping where nothing is invalidated: a register command, so no descriptor. */
  flushWriteBuffer(): void {
    if (this.unit.capability.writeBufferFlush) this.writeBufferFlushes += 1;
  }

  /** Invalidates everything of a domain. */
  flushAll(cpu: Cpu, device: number, domainId: number): void {
    this.log.emit(Observed.CACHE_TAG_FLUSH_ALL, cpu, device, domainId);
    encodeIotlbDomain(this.descriptor, domainId, this.drain);
    this.submit(cpu, device, domainId);
  }

  /** A domain's context entries are gone: invalidates what the unit has cached of them, then everything of the domain. */
  flushDetached(cpu: Cpu, domainId: number): void {
    encodeContextCacheDomain(this.descriptor, domainId);
    this.submit(cpu, -1, domainId);
    this.wait(cpu, -1, domainId);
    this.flushAll(cpu, -1, domainId);
    this.wait(cpu, -1, domainId);
  }

  /** Waits until the unit has executed what was submitted; the descriptor counts include the wait itself. */
  wait(cpu: Cpu, device: number, domainId: number): void {
    const { queue } = this.unit;
    let executed = 0;
    while (queue.step() === QueueStep.EXECUTED) executed += 1;
    assert(queue.head === queue.tail, 'the invalidation queue stopped at a descriptor of our own');
    this.log.emit(Observed.INVALIDATION_COMPLETED, cpu, device, domainId, executed);
  }

  private flush(kind: Observed, cpu: Cpu, device: number, domainId: number, start: Iova, end: Iova, leafEntriesOnly: boolean): void {
    const addressMask = blockMask(start, end);
    const address = addressMask >= MAX_ADDRESS_MASK ? 0 : roundDown(start, PAGE_SIZE * 2 ** addressMask);
    this.log.emit(kind, cpu, device, domainId, start, end, address, 2 ** addressMask, addressMask);
    const capability = this.unit.capability;
    if (capability.pageSelectiveInvalidation && addressMask <= capability.maxAddressMask) {
      // 6.1 sends the address as it is: the unit ignores the bits below the mask.
      const sent = this.kernel === '6.1' ? roundDown(start, PAGE_SIZE) : address;
      encodeIotlbPages(this.descriptor, domainId, this.drain, sent / PAGE_SIZE, addressMask, leafEntriesOnly);
    } else {
      encodeIotlbDomain(this.descriptor, domainId, this.drain);
    }
    this.submit(cpu, device, domainId);
  }

  private submit(cpu: Cpu, device: number, domainId: number): void {
    const words = this.descriptor;
    this.log.emit(Observed.DESCRIPTOR_SUBMITTED, cpu, device, domainId, words[1], words[0], words[3], words[2]);
    const { queue } = this.unit;
    const slot = queue.append(words);
    encodeWait(this.waitDescriptor, WAIT_DONE, queue.statusAddress(slot));
    queue.append(this.waitDescriptor);
    queue.publish();
  }
}

/**
 * log2 of the pages in the smallest aligned power-of-two block that holds bytes `start` to `end`.
 *
 * When the range is not aligned to its own rounded size, the block is the one at the lowest bit position above that
 * size at which first and last page agree.
 */
function blockMask(start: Iova, end: Iova): number {
  const firstPfn = Math.floor(start / PAGE_SIZE);
  const lastPfn = Math.floor(end / PAGE_SIZE);
  const mask = ceilLog2(lastPfn - firstPfn + 1);
  if (firstPfn % 2 ** mask === 0) return mask;
  for (let bit = mask; bit < MAX_ADDRESS_MASK; bit++) {
    if (bitOf(firstPfn, bit) === bitOf(lastPfn, bit)) return bit;
  }
  return MAX_ADDRESS_MASK;
}

function bitOf(value: number, bit: number): number {
  return bit < 32 ? (low32(value) >>> bit) & 1 : (high32(value) >>> (bit - 32)) & 1;
}
