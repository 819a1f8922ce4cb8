import { describe, expect, it } from 'vitest';
import { explainText, lifeTexts } from '../testing/explain-text.ts';
import {
  allocText,
  bouncedText,
  domainFlushTexts,
  freeText,
  mapPageText,
  mapSgText,
  mapText,
  strictFlushTexts,
  syncText,
  unmapPageText,
  unmapSgText,
  unmapText,
} from '../testing/kernel-lines.ts';
import { POOL_START, testMachine } from '../testing/test-machine.ts';
import { softirq, TraceText, task } from '../testing/trace-text.ts';

const LAZY = '0000:00:05.0';
const STRICT = '0000:01:00.0';
const UNTRUSTED = '0000:02:00.0';
const IDENTITY = '0000:03:00.0';
const PAGE = 4096;
const A = 0xfffff000;
const B = 0xffffe000;
const C = 0xffffd000;
const MEMORY = 0x105000000;
const TO_DEVICE = 1;
const FROM_DEVICE = 2;
/** Domain ids as a kernel gives them: 2 + rank of the group. */
const DID = { lazy: 2, strict: 3, untrusted: 4 };

const machine = testMachine({
  devices: [
    { address: LAZY, protection: 'lazy' },
    { address: STRICT, protection: 'strict' },
    { address: UNTRUSTED, protection: 'untrusted' },
    { address: IDENTITY, protection: 'identity' },
  ],
});

function mapped(device: string, iova: number, phys: number, direction = TO_DEVICE, bytes = PAGE): string[] {
  return [mapText(iova, phys, PAGE), mapPageText(device, iova, bytes, phys, direction)];
}

function unmapped(device: string, iova: number, direction = TO_DEVICE, flush: readonly string[] = [], bytes = PAGE): string[] {
  return [unmapText(iova, PAGE), ...flush, unmapPageText(device, iova, bytes, direction)];
}

/** A strict mapping: map L5 L6, unmap L7, flush L8 L9, API L10; 10 us apart from 5.00 s on. */
function strictLife(direction = FROM_DEVICE): TraceText {
  return new TraceText()
    .add(task(10), ...mapped(STRICT, A, MEMORY, direction))
    .add(task(11), ...unmapped(STRICT, A, direction, strictFlushTexts(DID.strict, A)));
}

/** A lazy mapping: map L5 L6, unmap L7 L8, then whatever. */
function lazyLife(): TraceText {
  return new TraceText().add(task(10), ...mapped(LAZY, A, MEMORY)).add(task(10), ...unmapped(LAZY, A));
}

function faultText(device: string, address: number, seconds: number | null, access: 'Read' | 'Write' = 'Write', reason = 5): string {
  const time = seconds === null ? '' : `[    ${seconds.toFixed(6)}] `;
  return `${time}DMAR: [DMA ${access} NO_PASID] Request device [${device.slice(5)}] fault addr 0x${address.toString(16)} [fault reason 0x0${reason}] PTE`;
}

async function judged(
  trace: TraceText,
  device: string,
  address: number,
  seconds: number | null,
  access: 'Read' | 'Write' = 'Write',
  reason = 5,
) {
  const result = await explainText(trace, { fault: faultText(device, address, seconds, access, reason) }, machine);
  return result.pages[0];
}

describe('the life of a page', () => {
  it('of a strict device ends with its own invalidation', async () => {
    const { pages } = await explainText(strictLife(), { iova: A.toString(16) }, machine);
    expect(lifeTexts(pages[0])).toEqual([
      `m-1 ${STRICT} FROM_DEVICE: tableMapped L5, mapped L6, tableUnmapped L7, pagesInvalidated L9, unmapped L10, pages recorded`,
    ]);
    expect(pages[0]).toMatchObject({ verdict: 'after-unmap', chosen: 0, driver: 'e1000e' });
    expect(pages[0].lives[0]).toMatchObject({ phys: MEMORY, tablePhys: MEMORY, bytes: PAGE, mapLine: 6, unmapLine: 10, lazy: false });
    expect(pages[0].lives[0].events[0]).toMatchObject({ task: 'worker', pid: 10, cpu: 0, event: 'map' });
  });

  it('of a lazy device ends with the flush of its whole domain, not of another', async () => {
    const trace = lazyLife()
      .waitUs(5000)
      .add(softirq(), ...domainFlushTexts(7))
      .waitUs(5000)
      .add(softirq(), ...domainFlushTexts(DID.lazy));
    const { pages } = await explainText(trace, { iova: A.toString(16) }, machine);
    expect(lifeTexts(pages[0])).toEqual([
      `m-1 ${LAZY} TO_DEVICE: tableMapped L5, mapped L6, tableUnmapped L7, unmapped L8, domainInvalidated L12, domain recorded`,
    ]);
  });

  it('is modelled where no invalidation was recorded', async () => {
    const strict = new TraceText().add(task(10), ...mapped(STRICT, A, MEMORY), ...unmapped(STRICT, A));
    const [strictPage] = (await explainText(strict, { iova: A.toString(16) }, machine)).pages;
    expect(strictPage.lives[0].invalidation).toMatchObject({ how: 'unmap', basis: 'model', line: null });

    // The timer that the first unmap armed flushes the second as well: 5.000020 s + 10 ms in ticks of 4 ms, and one tick.
    const lazy = lazyLife()
      .add(task(10), ...mapped(LAZY, B, MEMORY))
      .waitUs(3000)
      .add(task(10), ...unmapped(LAZY, B));
    const [lazyPage] = (await explainText(lazy, { iova: B.toString(16) }, machine)).pages;
    expect(lazyPage.lives[0].invalidation).toEqual({ how: 'timer', basis: 'model', line: null, timeNs: 5.016e9 });
    expect(lazyPage.lives[0].unmappedNs).toBe(5.00306e9);
  });

  it('shows the bounce, the slot and the syncs', async () => {
    const slot = POOL_START + 0x8000;
    const trace = new TraceText()
      .add(
        task(10),
        bouncedText(UNTRUSTED, MEMORY + 0x40, 100),
        mapText(A, slot, PAGE),
        mapPageText(UNTRUSTED, A + 0x40, 100, MEMORY + 0x40, FROM_DEVICE),
      )
      .add(
        task(10),
        ...[1, 2, 3, 4].map(() => syncText(UNTRUSTED, true, A + 0x40, 100, FROM_DEVICE)),
        syncText(UNTRUSTED, false, A + 0x40, 100, FROM_DEVICE),
      );
    const { pages } = await explainText(trace, { iova: A.toString(16) }, machine);
    expect(lifeTexts(pages[0])).toEqual([
      `m-1 ${UNTRUSTED} FROM_DEVICE: bounced L5, tableMapped L6, mapped L7, syncForCpu L8, syncForCpu L11, syncForDevice L12`,
    ]);
    expect(pages[0].lives[0]).toMatchObject({ bounced: true, tablePhys: slot, phys: MEMORY + 0x40, syncsForCpu: 4, syncsForDevice: 1 });
    expect(pages[0].verdict).toBe('mapped');
  });

  it('follows the one segment of a list, and coherent memory', async () => {
    const phys = [MEMORY, MEMORY + 0x10000];
    const segments = [
      { address: B, bytes: PAGE },
      { address: A, bytes: 512 },
    ];
    const trace = new TraceText()
      .add(task(10), mapText(B, phys[0], PAGE), mapText(A, phys[1], PAGE), mapSgText(STRICT, phys, segments))
      .add(
        task(10),
        unmapSgText(STRICT, phys),
        unmapText(B, PAGE),
        ...strictFlushTexts(DID.strict, B),
        unmapText(A, PAGE),
        ...strictFlushTexts(DID.strict, A),
      )
      .add(task(10), mapText(A, MEMORY, PAGE), allocText(STRICT, A, 512))
      .add(task(10), freeText(STRICT, A, 512), unmapText(A, PAGE), ...strictFlushTexts(DID.strict, A));
    const { pages } = await explainText(trace, { iova: A.toString(16) }, machine);
    expect(lifeTexts(pages[0])).toEqual([
      `m-1 ${STRICT} TO_DEVICE: tableMapped L6, mapped L7, unmapped L8, tableUnmapped L12, pagesInvalidated L14, pages recorded`,
      `m-2 ${STRICT} BIDIRECTIONAL: tableMapped L15, allocated L16, freed L17, tableUnmapped L18, pagesInvalidated L20, pages recorded`,
    ]);
    expect(pages[0].lives[0]).toMatchObject({ dmaAddr: A, bytes: 512, segments: 2, kind: 'sg' });
    expect(pages[0].lives[1].kind).toBe('coherent');
  });

  it('names who got the memory while it was stale', async () => {
    const trace = lazyLife()
      .add(task(12), ...mapped(STRICT, C, MEMORY))
      .add(softirq(), ...domainFlushTexts(DID.lazy))
      .add(task(12), ...mapped(STRICT, B, MEMORY));
    const { pages } = await explainText(trace, { iova: A.toString(16) }, machine);
    expect(pages[0].lives[0].reuses).toEqual([{ line: 9, timeNs: 5.00004e9, device: STRICT, number: 2 }]);
  });

  it('says what began before the recording, and what was mapped again without an unmap', async () => {
    const trace = new TraceText()
      .add(task(10), ...unmapped(STRICT, A, TO_DEVICE, strictFlushTexts(DID.strict, A)))
      .add(task(10), ...mapped(STRICT, A, MEMORY))
      .add(task(10), ...mapped(STRICT, A, MEMORY));
    const { pages, gaps } = await explainText(trace, { iova: A.toString(16) }, machine);
    expect(lifeTexts(pages[0])).toEqual([
      `m-0 ${STRICT} TO_DEVICE: tableUnmapped L5, pagesInvalidated L7, unmapped L8, pages recorded`,
      `m-1 ${STRICT} TO_DEVICE: tableMapped L9, mapped L10`,
      `m-2 ${STRICT} TO_DEVICE: tableMapped L11, mapped L12`,
    ]);
    expect(pages[0].lives.map(({ endNotRecorded }) => endNotRecorded)).toEqual([false, true, false]);
    expect(gaps.unknownMappings).toBe(1);
  });

  it('is physical where nothing is translated', async () => {
    const trace = new TraceText()
      .add(task(10), mapPageText(IDENTITY, MEMORY, PAGE, MEMORY, TO_DEVICE), unmapPageText(IDENTITY, MEMORY, PAGE, TO_DEVICE))
      .add(task(10), mapPageText(IDENTITY, MEMORY, PAGE, MEMORY, TO_DEVICE));
    const { pages } = await explainText(trace, { iova: MEMORY.toString(16) }, machine);
    expect(lifeTexts(pages[0])).toEqual([`m-1 ${IDENTITY} TO_DEVICE: mapped L5, unmapped L6`, `m-2 ${IDENTITY} TO_DEVICE: mapped L7`]);
    expect(pages[0].lives[0]).toMatchObject({ translated: false, tablePhys: null, invalidation: null });
  });
});

describe('a recording without calls', () => {
  const old = testMachine({
    kernel: '6.1',
    devices: [
      { address: LAZY, protection: 'lazy' },
      { address: STRICT, protection: 'strict' },
      { address: UNTRUSTED, protection: 'untrusted' },
    ],
  });

  it('has map and unmap lines; the flush behind an unmap tells the device', async () => {
    const trace = new TraceText()
      .add(task(10), mapText(A, MEMORY, PAGE))
      .add(task(10), unmapText(A, PAGE), ...strictFlushTexts(DID.strict, A).slice(1));
    const { pages, gaps } = await explainText(trace, { iova: A.toString(16) }, old);
    expect(lifeTexts(pages[0])).toEqual([`m-1 ${STRICT} -: tableMapped L5, tableUnmapped L6, pagesInvalidated L7, pages recorded`]);
    expect(gaps.outcomesOnly).toBe(true);
  });

  it('the bounce before a map tells it, too', async () => {
    const trace = new TraceText()
      .add(task(10), bouncedText(UNTRUSTED, MEMORY + 8, 100), mapText(A, POOL_START, PAGE))
      .add(task(10), mapText(B, MEMORY, PAGE));
    const { pages } = await explainText(trace, { iova: A.toString(16), device: UNTRUSTED.slice(5) }, old);
    expect(lifeTexts(pages[0])).toEqual([`m-1 ${UNTRUSTED} -: bounced L5, tableMapped L6`]);
  });

  it('says when an unmap could end more than one mapping, and models a flush that names nobody', async () => {
    const trace = new TraceText()
      .add(task(10), mapText(A, MEMORY, PAGE), mapText(A, MEMORY + PAGE, PAGE), unmapText(A, PAGE))
      .waitUs(50_000)
      .add(softirq(), domainFlushTexts(DID.lazy)[1], mapText(B, MEMORY, PAGE));
    const { pages } = await explainText(trace, { iova: A.toString(16) }, old);
    expect(pages[0].lives.map(({ endGuessed, unmappedNs }) => [endGuessed, unmappedNs === null])).toEqual([
      [true, false],
      [false, true],
    ]);
    expect(lifeTexts(pages[0])[0]).toBe('m-1 ? -: tableMapped L5, tableUnmapped L7, timer model');
  });
});

describe('an access', () => {
  // Mapped 5.000000, unmapped 5.000020, invalidated 5.000040.
  it.each([
    ['after unmap and invalidation', 5.0061, 'after-unmap'],
    ['between unmap and invalidation', 5.00003, 'stale'],
    ['while it was mapped', 5.000015, 'mapped'],
    ['before it was mapped', 4.9, 'not-mapped-yet'],
    ['at no known time', null, 'after-unmap'],
  ])('%s', async (_, seconds, verdict) => {
    expect(await judged(strictLife(), STRICT, A, seconds)).toMatchObject({ verdict, chosen: 0, devices: [STRICT] });
  });

  it('in lazy mode would have had until the flush timer', async () => {
    const page = await judged(strictLife(), STRICT, A, 5.006);
    expect(page.lives[0].lazyDueNs).toBe(5.016e9);
  });

  it('after unmap is refused although no flush came, or not, by the modelled timer', async () => {
    expect((await judged(lazyLife(), LAZY, A, 5.01)).verdict).toBe('stale');
    expect((await judged(lazyLife(), LAZY, A, 5.017)).verdict).toBe('after-unmap');
  });

  it.each([
    ['a write to what may be read', TO_DEVICE, 'Write', 'wrong-direction'],
    ['a read of what may be read', TO_DEVICE, 'Read', 'mapped'],
    ['a read of what may be written, which 6.12 lets pass', FROM_DEVICE, 'Read', 'mapped'],
    ['a write to what may be written', FROM_DEVICE, 'Write', 'mapped'],
  ] as const)('%s', async (_, direction, access, verdict) => {
    const trace = new TraceText().add(task(10), ...mapped(STRICT, A, MEMORY, direction));
    expect((await judged(trace, STRICT, A, 5.1, access, access === 'Write' ? 5 : 6)).verdict).toBe(verdict);
  });

  it('to a page of another device', async () => {
    const trace = new TraceText().add(task(10), ...mapped(STRICT, A, MEMORY)).add(task(10), ...mapped(LAZY, B, MEMORY));
    const page = await judged(trace, LAZY, A, 5.1);
    expect(page).toMatchObject({ verdict: 'never-mapped', chosen: -1, lives: [] });
    expect(page.elsewhere).toMatchObject([{ devices: [STRICT], lives: 1, live: { number: 1 } }]);
    expect(page.below).toMatchObject({ number: 2, dmaAddr: B, device: LAZY });
    expect(page.above).toBeNull();
  });

  it('sees what lay around the page at its time, not at the end', async () => {
    const trace = new TraceText()
      .add(task(10), ...mapped(STRICT, C, MEMORY, TO_DEVICE, 100))
      .waitUs(1000)
      .add(task(10), ...unmapped(STRICT, C, TO_DEVICE, strictFlushTexts(DID.strict, C), 100))
      .add(task(10), ...mapped(STRICT, A, MEMORY));
    expect(await judged(trace, STRICT, B, 5.0005)).toMatchObject({ below: { number: 1, bytes: 100 }, above: null });
    expect(await judged(trace, STRICT, B, 5.9)).toMatchObject({ below: null, above: { number: 2 } });
  });

  it('that is not found is not called never mapped when something is missing', async () => {
    const whole = new TraceText().add(task(10), ...mapped(STRICT, A, MEMORY));
    expect((await judged(whole, STRICT, C, 5.1)).verdict).toBe('never-mapped');
    const lossy = new TraceText()
      .add(task(10), ...mapped(STRICT, A, MEMORY))
      .addRaw('CPU:0 [LOST 9 EVENTS]')
      .add(task(10), ...mapped(STRICT, B, MEMORY));
    expect((await judged(lossy, STRICT, C, 5.1)).verdict).toBe('not-found');
    const late = new TraceText().add(task(10), ...unmapped(STRICT, B, TO_DEVICE, strictFlushTexts(DID.strict, B)));
    expect((await judged(late, STRICT, C, 5.1)).verdict).toBe('not-found');
  });

  it('of a device that is not translated, or not in the recording, or for another reason', async () => {
    expect((await judged(strictLife(), IDENTITY, A, 5.1)).verdict).toBe('untranslated');
    expect((await judged(strictLife(), '0000:07:00.0', A, 5.1)).verdict).toBe('unknown-device');
    expect((await judged(strictLife(), STRICT, A, 5.1, 'Write', 2)).verdict).toBe('not-a-mapping');
    const interrupt = 'DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x8080 [fault reason 0x25] Blocked';
    expect((await explainText(strictLife(), { fault: interrupt }, machine)).pages[0]).toMatchObject({ verdict: 'interrupt', page: null });
  });

  it('is corrected by a time that is given', async () => {
    const options = { fault: faultText(STRICT, A, 9.9), time: '5.000015' };
    expect((await explainText(strictLife(), options, machine)).pages[0]).toMatchObject({ verdict: 'mapped', timeNs: 5.000015e9 });
  });

  it('of a whole log gets a verdict each', async () => {
    const faultLog = [faultText(STRICT, A, 5.000015), faultText(STRICT, B, 5.1), 'dmar_fault: 3 callbacks suppressed'].join('\n');
    const result = await explainText(strictLife(), { faultLog }, machine);
    expect(result.pages.map(({ verdict }) => verdict)).toEqual(['mapped', 'never-mapped']);
    expect(result.log).toEqual({ lines: 3, suppressed: 3, notUnderstood: 0 });
  });

  it('that the trace itself has stands in the life of its page', async () => {
    const trace = strictLife().add(
      softirq(),
      `io_page_fault: IOMMU:e1000e ${STRICT} iova=0x${A.toString(16).padStart(16, '0')} flags=0x0001`,
    );
    const { pages } = await explainText(trace, { iova: A.toString(16) }, machine);
    expect(pages[0].lives[0].events.at(-1)).toMatchObject({ kind: 'faulted', line: 11, isWrite: true });
  });
});

describe('a handle', () => {
  const trace = strictLife()
    .add(task(10), ...mapped(LAZY, A, MEMORY))
    .add(task(10), ...mapped(STRICT, A, MEMORY));

  it.each([
    ['m-1', 0],
    ['m-3', 1],
    ['M-3', 1],
  ])('%s', async (mapping, chosen) => {
    const [page] = (await explainText(trace, { mapping }, machine)).pages;
    expect(page).toMatchObject({ page: A, chosen, named: true, devices: [STRICT] });
    expect(page.lives[chosen].number).toBe(Number(mapping.slice(2)));
  });

  it.each([
    ['L5', 1],
    ['L7', 1],
    ['9', 1],
    ['L10', 1],
    ['L11', 2],
    ['L13', 3],
  ])('%s', async (line, number) => {
    const [page] = (await explainText(trace, { line }, machine)).pages;
    expect(page.lives[page.chosen].number).toBe(number);
  });

  it.each([
    [{ mapping: 'm-4' }, 'EXP007'],
    [{ line: 'L400' }, 'EXP007'],
    [{ mapping: '1207' }, 'EXP006'],
    [{ line: 'here' }, 'EXP006'],
    [{}, 'EXP001'],
    [{ iova: '0x1', mapping: 'm-1' }, 'EXP001'],
    [{ iova: 'fffg' }, 'EXP002'],
    [{ fault: 'DMAR: DRHD: handling fault status reg 2' }, 'EXP003'],
    [{ iova: '0x1', device: '09:00.0' }, 'EXP004'],
    [{ iova: '0x1', time: 'noon' }, 'EXP005'],
  ])('or a question that is none: %j', async (options, code) => {
    await expect(explainText(trace, options, machine)).rejects.toMatchObject({ code });
  });
});
