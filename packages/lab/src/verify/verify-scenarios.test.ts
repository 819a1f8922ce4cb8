import { describe, expect, it } from 'vitest';
import {
  allocText,
  bouncedText,
  domainFlushTexts,
  flushRangeText,
  freeText,
  interruptDescriptorText,
  mapPageText,
  mapSgText,
  mapText,
  pagesDescriptorText,
  strictFlushTexts,
  syncText,
  unmapPageText,
  unmapSgText,
  unmapText,
} from '../testing/kernel-lines.ts';
import { POOL_START, testMachine } from '../testing/test-machine.ts';
import { hardirq, type LineSource, softirq, TraceText, task, withHeader } from '../testing/trace-text.ts';
import { differenceTexts, ledgerTotal, tally, verifyText } from '../testing/verify-text.ts';

const NIC = '0000:00:05.0';
const DISK = '0000:01:00.0';
const PAGE = 4096;
const TOP = 0xfffff;
const MEMORY = 0x105000000;
const POOL_START_IN_DIRECT_MODE_SECOND_SLOT = POOL_START + 2048;

/** I/O address of the n-th page handed out by an empty address space. */
function page(n: number): number {
  return (TOP - n) * PAGE;
}

function mapPage(trace: TraceText, source: LineSource, device: string, iova: number, phys: number): void {
  trace.add(source, mapText(iova, phys, PAGE), mapPageText(device, iova, PAGE, phys));
}

function unmapStrict(trace: TraceText, source: LineSource, device: string, did: number, iova: number): void {
  trace.add(source, unmapText(iova, PAGE), ...strictFlushTexts(did, iova), unmapPageText(device, iova, PAGE));
}

function unmapLazy(trace: TraceText, source: LineSource, device: string, iova: number): void {
  trace.add(source, unmapText(iova, PAGE), unmapPageText(device, iova, PAGE));
}

/** Goal: what a kernel does in each mode is predicted line by line. */
describe('each mode, equal', () => {
  it('strict: an address is free again after its invalidation, the last one freed first', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'strict' }] });
    const trace = new TraceText();
    const source = task(10);
    mapPage(trace, source, NIC, page(0), MEMORY);
    mapPage(trace, source, NIC, page(1), MEMORY + PAGE);
    unmapStrict(trace, source, NIC, 2, page(1));
    unmapStrict(trace, source, NIC, 2, page(0));
    mapPage(trace, source, NIC, page(0), MEMORY);
    trace.add(source, interruptDescriptorText());
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toEqual([
      'address 3 equal',
      'bounce 3 equal',
      'map 3 equal',
      'unmap 2 equal',
      'descriptor 2 equal',
      'cacheTag 2 equal',
    ]);
    expect(result.ledger).toEqual({ calls: 5, outcomes: 7, crossChecks: 2, notModelled: 1, notCompared: 0 });
    expect(result).toMatchObject({
      limits: [],
      kernel: '6.12',
      cpus: 1,
      windowCount: 0,
      rebuiltCalls: 0,
      unknownMappings: 0,
      strayLines: 0,
    });
  });

  it('untrusted: an unaligned buffer goes through slots and keeps its page offset where the driver asks for it', async () => {
    const machine = testMachine({
      devices: [
        { address: NIC, protection: 'untrusted' },
        { address: DISK, protection: 'untrusted', driver: 'nvme' },
      ],
    });
    const trace = new TraceText();
    const source = task(10);
    trace.add(source, bouncedText(NIC, MEMORY + 0x345, 60), mapText(page(0), POOL_START, PAGE));
    trace.add(source, mapPageText(NIC, page(0), 60, MEMORY + 0x345));
    trace.add(source, bouncedText(DISK, MEMORY + 0x1a00, 512), mapText(page(0), POOL_START + PAGE, PAGE));
    trace.add(source, mapPageText(DISK, page(0) + 0xa00, 512, MEMORY + 0x1a00));
    trace.add(source, syncText(NIC, true, page(0), 60), syncText(NIC, false, page(0), 60));
    trace.add(source, unmapText(page(0), PAGE), ...strictFlushTexts(3, page(0)), unmapPageText(DISK, page(0) + 0xa00, 512));
    trace.add(source, unmapText(page(0), PAGE), ...strictFlushTexts(2, page(0)), unmapPageText(NIC, page(0), 60));
    mapPage(trace, source, DISK, page(0), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toEqual([
      'address 3 equal',
      'bounce 3 equal',
      'slot 2 equal',
      'map 3 equal',
      'unmap 2 equal',
      'descriptor 2 equal',
      'cacheTag 2 equal',
    ]);
    expect(result.ledger).toMatchObject({ calls: 7, notModelled: 0, notCompared: 0 });
  });

  it('lazy: an address is free again after the next flush of its domain, in the cache of the CPU that flushed', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'lazy' }], cpus: 2 });
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    unmapLazy(trace, task(10), NIC, page(0));
    mapPage(trace, task(10), NIC, page(1), MEMORY);
    unmapLazy(trace, task(10), NIC, page(1));
    trace.waitUs(12_000).add(softirq(1), ...domainFlushTexts(2));
    mapPage(trace, task(10), NIC, page(2), MEMORY);
    mapPage(trace, task(11, 1), NIC, page(1), MEMORY);
    mapPage(trace, task(11, 1), NIC, page(0), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toEqual([
      'address 5 equal',
      'bounce 5 equal',
      'map 5 equal',
      'unmap 2 equal',
      'descriptor 1 equal',
      'flush 1 equal, 1 given',
      'cacheTag 1 equal',
    ]);
  });

  it('identity: device addresses are physical addresses, without a line of the IOMMU', async () => {
    const machine = testMachine({
      devices: [
        { address: NIC, protection: 'identity' },
        { address: DISK, protection: 'strict' },
      ],
    });
    const trace = new TraceText();
    const phys = [MEMORY, MEMORY + 0x5000];
    trace.add(task(10), mapPageText(NIC, MEMORY + 0x10, 100, MEMORY + 0x10), unmapPageText(NIC, MEMORY + 0x10, 100));
    trace.add(task(10), allocText(NIC, MEMORY, PAGE), freeText(NIC, MEMORY, PAGE));
    trace.add(
      task(10),
      mapSgText(
        NIC,
        phys,
        phys.map((address) => ({ address, bytes: 512 })),
      ),
      unmapSgText(NIC, phys),
    );
    mapPage(trace, task(10), DISK, page(0), MEMORY);
    unmapStrict(trace, task(10), DISK, 2, page(0));
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)[0]).toBe('address 3 equal, 1 given');
    expect(result.strayLines).toBe(0);
  });

  it('swiotlb=force: a device without translation bounces at the granularity of slots', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'identity' }], commandLine: 'iommu=pt swiotlb=force' });
    const trace = new TraceText();
    const source = task(10);
    trace.add(source, bouncedText(NIC, MEMORY + 0x201, 100, 'FORCE'), mapPageText(NIC, POOL_START, 100, MEMORY + 0x201));
    trace.add(source, bouncedText(NIC, MEMORY + 0x903, 100, 'FORCE'));
    trace.add(source, mapPageText(NIC, POOL_START_IN_DIRECT_MODE_SECOND_SLOT, 100, MEMORY + 0x903));
    trace.add(source, unmapPageText(NIC, POOL_START, 100), unmapPageText(NIC, POOL_START_IN_DIRECT_MODE_SECOND_SLOT, 100));
    trace.add(source, bouncedText(NIC, MEMORY + 0x201, 100, 'FORCE'), mapPageText(NIC, POOL_START + 4096, 100, MEMORY + 0x201));
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toEqual(['address 3 equal', 'bounce 3 equal', 'slot 3 equal']);
  });

  it('caching mode: a map is followed by an invalidation too, without the leaf-only hint', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'strict' }], cachingMode: true });
    const trace = new TraceText();
    const source = task(10);
    const presentTexts = [flushRangeText(2, page(0), page(0) + PAGE - 1, page(0), 0, true), pagesDescriptorText(2, page(0), 0, false)];
    trace.add(source, mapText(page(0), MEMORY, PAGE), ...presentTexts, mapPageText(NIC, page(0), PAGE, MEMORY));
    unmapStrict(trace, source, NIC, 2, page(0));
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toEqual([
      'address 1 equal',
      'bounce 1 equal',
      'map 1 equal',
      'unmap 1 equal',
      'descriptor 2 equal',
      'cacheTag 2 equal',
    ]);

    const forgotten = new TraceText();
    forgotten.add(source, mapText(page(0), MEMORY, PAGE), mapPageText(NIC, page(0), PAGE, MEMORY));
    unmapStrict(forgotten, source, NIC, 2, page(0));
    expect(differenceTexts(await verifyText(forgotten, machine))).toEqual([
      'L6 cacheTag: cache_tag_flush_range_np did 2 [fffff000-ffffffff] addr fffff000 mask 0; got no such line before the end of the dma_map_page',
      'L6 descriptor: qi_submit 0x200f2 0xfffff000; got no such line before the end of the dma_map_page',
    ]);
  });

  it('a scatter list is one range of a trusted device, and one range per entry of an untrusted one', async () => {
    const machine = testMachine({
      devices: [
        { address: NIC, protection: 'strict' },
        { address: DISK, protection: 'untrusted', driver: 'nvme' },
      ],
    });
    const trace = new TraceText();
    const source = task(10);
    const phys = [MEMORY, MEMORY + 0x8000];
    const joined = [{ address: page(1), bytes: 2 * PAGE }];
    trace.add(source, mapText(page(1), phys[0], PAGE), mapText(page(0), phys[1], PAGE), mapSgText(NIC, phys, joined));
    trace.add(source, mapText(page(0), phys[0], PAGE), mapText(page(1), phys[1], PAGE));
    trace.add(
      source,
      mapSgText(DISK, phys, [
        { address: page(0), bytes: PAGE },
        { address: page(1), bytes: PAGE },
      ]),
    );
    trace.add(softirq(), unmapSgText(DISK, phys), unmapText(page(0), PAGE), ...strictFlushTexts(3, page(0)));
    trace.add(softirq(), unmapText(page(1), PAGE), ...strictFlushTexts(3, page(1)));
    trace.add(softirq(), unmapSgText(NIC, phys), unmapText(page(1), 2 * PAGE), ...strictFlushTexts(2, page(1), 2));
    mapPage(trace, source, DISK, page(1), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toEqual([
      'address 3 equal',
      'bounce 4 equal',
      'map 5 equal, 1 given',
      'unmap 3 equal',
      'descriptor 3 equal',
      'cacheTag 3 equal',
    ]);
  });
});

/** Goal: orders that the printed lines leave open are tried, and only the ones that can have happened. */
describe('ordering windows', () => {
  it('(a) an address taken before an interrupt that frees one above the map line', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'strict' }] });
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    // The task has taken page(1) when the interrupt gives page(0) back; its map line comes after that.
    unmapStrict(trace, hardirq(0, 10), NIC, 2, page(0));
    mapPage(trace, task(10), NIC, page(1), MEMORY);
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.windows).toMatchObject([{ line: 11, resource: 'addresses of domain 2' }]);
    expect(result.windowCount).toBe(1);
  });

  it('(b) an address freed after an interrupt nested between the invalidation and dma_unmap_page', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'strict' }] });
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    trace.add(task(10), unmapText(page(0), PAGE), ...strictFlushTexts(2, page(0)));
    mapPage(trace, hardirq(0, 10), NIC, page(1), MEMORY + PAGE);
    trace.add(task(10), unmapPageText(NIC, page(0), PAGE));
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.windows).toMatchObject([{ line: 10, moved: 'free an address later' }]);
  });

  it('(c) an unmap line above the flush of another CPU, queued when that flush had begun', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'lazy' }], cpus: 2 });
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    mapPage(trace, task(10), NIC, page(1), MEMORY);
    unmapLazy(trace, task(10), NIC, page(0));
    trace.waitUs(12_000).add(task(10), unmapText(page(1), PAGE));
    trace.add(softirq(1), ...domainFlushTexts(2));
    trace.add(task(10), unmapPageText(NIC, page(1), PAGE));
    mapPage(trace, task(11, 1), NIC, page(0), MEMORY);
    mapPage(trace, task(11, 1), NIC, page(2), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    // The same order as the queueing later.
    expect(result.windows).toMatchObject([{ moved: 'begin a flush earlier' }]);
  });

  it('(c) the same, told by the next flush: its timer was armed by the range that was queued late', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'lazy' }], cpus: 2 });
    const trace = new TraceText();
    mapPage(trace, task(11, 1), NIC, page(0), MEMORY);
    mapPage(trace, task(10), NIC, page(1), MEMORY);
    unmapLazy(trace, task(10), NIC, page(1));
    trace.waitUs(12_000).add(task(11, 1), unmapText(page(0), PAGE));
    trace.add(softirq(0), ...domainFlushTexts(2));
    trace.add(task(11, 1), unmapPageText(NIC, page(0), PAGE));
    trace.waitUs(12_000).add(softirq(0), ...domainFlushTexts(2));
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    mapPage(trace, task(10), NIC, page(1), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.windows).toMatchObject([{ line: 15 }]);
    expect(tally(result)).toContain('flush 2 equal, 2 given');
  });

  it('an address taken before an interrupt that took another one and printed it first', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'lazy' }] });
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    mapPage(trace, hardirq(0, 10), NIC, page(2), MEMORY);
    mapPage(trace, task(10), NIC, page(1), MEMORY);
    mapPage(trace, task(10), NIC, page(3), MEMORY);
    unmapLazy(trace, task(10), NIC, page(0));
    trace.waitUs(12_000).add(softirq(), ...domainFlushTexts(2));
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.windows).toMatchObject([{ line: 7 }]);
    expect(tally(result)[0]).toBe('address 4 equal');
  });

  it('takes no order that the lines rule out', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'strict' }] });
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    unmapStrict(trace, task(10), NIC, 2, page(0));
    // The unmap had returned before the interrupt began: page(0) was free.
    mapPage(trace, hardirq(0, 10), NIC, page(1), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual(['L11 address: page fffff; got page ffffe']);
    expect(result.differences[0].state).toEqual(['domain 2, CPU 0 cache of order 0: 0 entries, top none; depot 0 magazines']);
  });
});

/** Goal: limits of the allocators, where the kernel leaves its usual path. */
describe('full queues, pools and depots', () => {
  it('the 256th lazy unmap of a CPU flushes the domain itself; the timer stays armed', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'lazy' }] });
    const trace = new TraceText();
    for (let n = 0; n < 256; n++) mapPage(trace, task(10), NIC, page(n), MEMORY + n * PAGE);
    for (let n = 0; n < 255; n++) unmapLazy(trace, task(10), NIC, page(n));
    trace.add(task(10), unmapText(page(255), PAGE), ...domainFlushTexts(2), unmapPageText(NIC, page(255), PAGE));
    mapPage(trace, task(10), NIC, page(254), MEMORY);
    trace.waitUs(12_000).add(softirq(), ...domainFlushTexts(2));
    mapPage(trace, task(10), NIC, page(255), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result).slice(-2)).toEqual(['flush 2 equal, 1 given', 'cacheTag 2 equal']);

    const early = new TraceText();
    for (let n = 0; n < 255; n++) mapPage(early, task(10), NIC, page(n), MEMORY + n * PAGE);
    for (let n = 0; n < 254; n++) unmapLazy(early, task(10), NIC, page(n));
    early.add(task(10), unmapText(page(254), PAGE), unmapPageText(NIC, page(254), PAGE), ...domainFlushTexts(2), ...domainFlushTexts(2));
    expect(differenceTexts(await verifyText(early, machine))).toEqual([
      'L1027 flush: no flush: nothing waits in domain 2; got a flush of the whole domain',
    ]);
  });

  it('a depot above the number of CPUs is given back to the tree, a magazine every 100 ms', async () => {
    const machine = testMachine({ devices: [{ address: NIC, protection: 'strict' }] });
    const trace = new TraceText();
    const source = task(10);
    for (let n = 0; n < 600; n++) mapPage(trace, source, NIC, page(n), MEMORY + n * PAGE);
    for (let n = 0; n < 600; n++) unmapStrict(trace, source, NIC, 2, page(n));
    // Two magazines of 127 in the CPU's cache (0 to 126 and 508 to 599), three in the depot; two of these are trimmed.
    trace.waitUs(300_000).add(source, interruptDescriptorText());
    for (let n = 599; n >= 508; n--) mapPage(trace, source, NIC, page(n), MEMORY);
    for (let n = 126; n >= 0; n--) mapPage(trace, source, NIC, page(n), MEMORY);
    for (let n = 253; n >= 127; n--) mapPage(trace, source, NIC, page(n), MEMORY);
    for (let n = 254; n < 508; n++) mapPage(trace, source, NIC, page(n), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)[0]).toBe('address 1200 equal');
  });

  it('a mapping fails when the pool is full, and the next one takes the slots that were freed', async () => {
    const machine = testMachine({ devices: [{ address: DISK, protection: 'untrusted' }], slots: 128 });
    const trace = new TraceText();
    const source = task(10);
    const bytes = 49 * PAGE - 4;
    const iova = 0xfffc0000;
    trace.add(source, bouncedText(DISK, MEMORY, bytes), mapText(iova, POOL_START, 49 * PAGE), mapPageText(DISK, iova, bytes, MEMORY));
    trace.add(source, bouncedText(DISK, MEMORY, bytes), mapPageText(DISK, -1, bytes, MEMORY));
    trace.add(source, unmapText(iova, 49 * PAGE), flushRangeText(2, iova, iova + 49 * PAGE - 1, iova, 6));
    trace.add(source, pagesDescriptorText(2, iova, 6), unmapPageText(DISK, iova, bytes));
    trace.add(source, bouncedText(DISK, MEMORY, bytes), mapText(iova, POOL_START, 49 * PAGE), mapPageText(DISK, iova, bytes, MEMORY));
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result).slice(0, 4)).toEqual(['address 3 equal', 'bounce 3 equal', 'slot 3 equal', 'map 2 equal']);

    const roomy = testMachine({ devices: [{ address: DISK, protection: 'untrusted' }], slots: 1024 });
    const other = await verifyText(trace, roomy);
    // The recorded failure is adopted, and the slots of the third mapping are predicted from there: next fit goes on.
    const next = (POOL_START + 128 * 2048).toString(16);
    expect(differenceTexts(other)).toEqual([
      `L8 slot: ${next}; got the mapping failed`,
      `L14 slot: ${next}; got ${POOL_START.toString(16)}`,
    ]);
    expect(other.limits).toEqual([]);
  });

  it('a scatter list that fails in the middle is rebuilt from its inner lines and taken back', async () => {
    const machine = testMachine({ devices: [{ address: DISK, protection: 'untrusted' }], slots: 128 });
    const trace = new TraceText();
    const source = task(10);
    const bytes = 49 * PAGE - 4;
    const iova = 0xfffc0000;
    trace.add(source, bouncedText(DISK, MEMORY, bytes), mapText(iova, POOL_START, 49 * PAGE), bouncedText(DISK, MEMORY + 0x100000, bytes));
    trace.add(source, unmapText(iova, 49 * PAGE), flushRangeText(2, iova, iova + 49 * PAGE - 1, iova, 6), pagesDescriptorText(2, iova, 6));
    trace.add(
      source,
      bouncedText(DISK, MEMORY, 512),
      mapText(page(0), POOL_START + 49 * PAGE, PAGE),
      mapPageText(DISK, page(0), 512, MEMORY),
    );
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.rebuiltCalls).toBe(1);
    expect(result.ledger).toEqual({ calls: 1, outcomes: 7, crossChecks: 1, notModelled: 0, notCompared: 0 });
  });
});

/** Goal: what a recording cannot show is said, and not counted as a difference. */
describe('recordings with gaps', () => {
  const machine = testMachine({ devices: [{ address: NIC, protection: 'strict' }] });

  it('an overwritten beginning: addresses are adopted', async () => {
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(40), MEMORY);
    unmapStrict(trace, task(10), NIC, 2, page(7));
    mapPage(trace, task(10), NIC, page(3), MEMORY);
    const result = await verifyText(withHeader(trace.lines, 5000), machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.limits).toEqual(['events before the first line are missing: addresses depend on them and are adopted, not predicted']);
    expect(result.unknownMappings).toBe(1);
    expect(tally(result)[0]).toBe('address 2 equal, 2 not comparable');
  });

  it('an overwritten beginning: slots and armed timers are not predicted either', async () => {
    const mixed = testMachine({
      devices: [
        { address: NIC, protection: 'lazy' },
        { address: DISK, protection: 'untrusted' },
      ],
    });
    const trace = new TraceText();
    trace.add(
      task(10),
      bouncedText(DISK, MEMORY, 512),
      mapText(page(3), POOL_START + 64 * PAGE, PAGE),
      mapPageText(DISK, page(3), 512, MEMORY),
    );
    trace.add(softirq(), ...domainFlushTexts(2));
    const result = await verifyText(withHeader(trace.lines, 5000), mixed);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toContain('slot 0 equal, 1 not comparable');
    expect(tally(result)).toContain('flush 0 equal, 1 given, 1 not comparable');
  });

  it('an unmap of an older mapping takes the differences before it back', async () => {
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(40), MEMORY);
    unmapStrict(trace, task(10), NIC, 2, page(7));
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.limits).toEqual(['mappings older than the recording end in it (domain 2): addresses there are adopted, not predicted']);
    expect(tally(result)[0]).toBe('address 1 equal, 1 not comparable');
  });

  it('lost events: nothing after the mark is a difference, everything before it is', async () => {
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    trace.addRaw('CPU:0 [LOST 5 EVENTS]');
    mapPage(trace, task(10), NIC, page(9), MEMORY);
    const lost = await verifyText(trace, machine);
    expect(differenceTexts(lost)).toEqual([]);
    expect(tally(lost)[0]).toBe('address 2 equal, 1 not comparable');

    const before = new TraceText();
    mapPage(before, task(10), NIC, page(9), MEMORY);
    before.addRaw('CPU:0 [LOST 5 EVENTS]');
    mapPage(before, task(10), NIC, page(0), MEMORY);
    expect(differenceTexts(await verifyText(before, machine))).toEqual(['L5 address: page fffff; got page ffff6']);
  });

  it('no qi_submit: invalidations are not compared, what they free still is', async () => {
    const trace = new TraceText();
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    unmapLazy(trace, task(10), NIC, page(0));
    mapPage(trace, task(10), NIC, page(0), MEMORY);
    const result = await verifyText(trace, machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(tally(result)).toEqual(['address 2 equal', 'bounce 2 equal', 'map 2 equal', 'unmap 1 equal']);
    expect(result.limits).toEqual(['no qi_submit events: invalidations and flushes were not recorded and cannot be compared']);
  });
});

/** Goal: without dma:* events slots, lengths and descriptors are still predicted. */
describe('kernel 6.1', () => {
  const machine = testMachine({ devices: [{ address: DISK, protection: 'untrusted', driver: 'nvme' }], kernel: '6.1' });

  function recording(slot: number, descriptor: string): TraceText {
    const trace = new TraceText();
    const source = task(10);
    // 512 bytes at page offset 0x150 take three slots under 6.1 rules, so the next page-aligned slot is the fifth.
    trace.add(source, bouncedText(DISK, MEMORY + 0x150, 512), mapText(page(0), POOL_START, PAGE));
    trace.add(source, mapText(page(1), MEMORY, PAGE));
    trace.add(source, unmapText(page(0), PAGE), descriptor);
    trace.add(source, bouncedText(DISK, MEMORY, 512), mapText(page(0), slot, PAGE));
    return trace;
  }

  it('predicts slots and descriptors from outcomes alone', async () => {
    const result = await verifyText(recording(POOL_START + 2 * PAGE, pagesDescriptorText(2, page(0), 0, false)), machine);
    expect(differenceTexts(result)).toEqual([]);
    expect(result.kernel).toBe('6.1');
    expect(tally(result)).toEqual([
      'address 0 equal, 3 not comparable',
      'bounce 2 equal',
      'slot 2 equal',
      'map 2 equal, 1 not comparable',
      'unmap 1 equal',
      'descriptor 1 equal',
    ]);
    expect(result.ledger).toEqual({ calls: 0, outcomes: 6, crossChecks: 0, notModelled: 0, notCompared: 1 });
    expect(ledgerTotal(result)).toBe(7);
  });

  it('tells a wrong slot and a wrong descriptor', async () => {
    const slot = await verifyText(recording(POOL_START + 5 * PAGE, pagesDescriptorText(2, page(0), 0, false)), machine);
    expect(differenceTexts(slot)).toEqual([
      `L10 slot: ${(POOL_START + 2 * PAGE).toString(16)}; got ${(POOL_START + 5 * PAGE).toString(16)}`,
    ]);
    const descriptor = await verifyText(recording(POOL_START + 2 * PAGE, pagesDescriptorText(2, page(0), 1, false)), machine);
    expect(differenceTexts(descriptor)).toEqual(['L9 descriptor: 0x200f2 0xfffff000; got 0x200f2 0xfffff001']);
  });
});
