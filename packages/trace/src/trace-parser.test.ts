import { LabError } from 'dmalab-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventBatch } from './event-batch.ts';
import { bytesOf, importText } from './row-table.oracle.ts';
import { TraceParser } from './trace-parser.ts';

const MAP = 'map: IOMMU: iova=0x0000000000001000 - 0x0000000000002000 paddr=0x0000000000003000 size=4096';
/** Parsers are made by the thousand here. */
const SMALL = { batchRows: 16 };
const MAP_ROW = 'map iova=4096 end=8192 paddr=12288 size=4096';

const SAMPLE = `# tracer: nop
#
# entries-in-buffer/entries-written: 8/8   #P:2
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
    kworker/u4:1-26      [000] .....     5.679668: swiotlb_bounced: dev_name: 0000:02:00.0 dma_mask=ffffffffffffffff dev_addr=10628f0c2 size=8 NORMAL
    kworker/u4:1-26      [000] .....     5.679670: map: IOMMU: iova=0x00000000ffffd000 - 0x00000000ffffe000 paddr=0x000000007bfd7000 size=4096
    kworker/u4:1-26      [000] .....     5.679672: dma_map_page: 0000:02:00.0 dir=FROM_DEVICE dma_addr=ffffd0c2 size=8 phys_addr=10628f0c2 attrs=
          <idle>-0       [001] d.h1.     5.688347: unmap: IOMMU: iova=0x00000000ffffd000 - 0x00000000ffffe000 size=4096 unmapped_size=4096
          <idle>-0       [001] d.h2.     5.688724: cache_tag_flush_range: dmar0 dmar0[0] type iotlb did 9 [0xffffd000-0xffffdfff] addr 0xffffd000 pages 0x1 mask 0x0
          <idle>-0       [001] d.h3.     5.688726: qi_submit: iotlb_inv dmar0: 0x900f2 0xffffd000 0x0 0x0
          <idle>-0       [001] d.h1.     5.688729: dma_unmap_page: 0000:02:00.0 dir=FROM_DEVICE dma_addr=ffffd0c2 size=8 attrs=
          <idle>-0       [001] ..s1.     5.700001: dma_map_sg: 0000:03:00.0 dir=TO_DEVICE nents=2/2 ents=1/1 dma_addrs={0xffffe000} sizes={0x2000} phys_addrs={0x104a31000,0x104a32000} attrs=
`;

/** Goal: the front part is found by `[cpu]` and `name:` in every spelling of every tool. */
describe('line shapes', () => {
  const shapes: readonly (readonly [string, string])[] = [
    ['          <idle>-0       [001] d.h1.     5.688347: ', 'L1 5.688347000 cpu1 <idle>-0 hardirq'],
    ['          <idle>-0       [001] d.h1     5.688347: ', 'L1 5.688347000 cpu1 <idle>-0 hardirq'],
    ['          <idle>-0       [001] d..h1..     5.688347: ', 'L1 5.688347000 cpu1 <idle>-0 hardirq'],
    ['            tftp-424     [000] ....1..     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 task'],
    ['            tftp-424     [000] dNH2.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 hardirq'],
    ['            tftp-424     [000] ..s1.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 softirq'],
    ['            tftp-424     [000] d.z1.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 nmi'],
    ['            tftp-424     [000] d.Z1.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 nmi'],
    ['            tftp-424     [000] b..1.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 task'],
    ['            tftp-424     [000] D.h1.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 hardirq'],
    ['            tftp-424     (    420) [000] ..s1.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 softirq'],
    ['            tftp-424     (-------) [000] ..s1.     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 softirq'],
    ['tftp-1 [000] ..... 5.688347: ', 'L1 5.688347000 cpu0 tftp-1 task'],
    ['  irq/24-nvme0q1-1234567 [127] ..... 987654.000001: ', 'L1 987654.000001000 cpu127 irq/24-nvme0q1-1234567 task'],
    ['   a b:c-d [00] (1-77      [003] .....     5.688347: ', 'L1 5.688347000 cpu3 a b:c-d [00] (1-77 task'],
    ['   x [001] 1.0: y-77      [003] .....     5.688347: ', 'L1 5.688347000 cpu3 x [001] 1.0: y-77 task'],
    ['   web-worker-----77      [003] .....     5.688347: ', 'L1 5.688347000 cpu3 web-worker-----77 task'],
    ['            tftp-424   [000]     5.688347: ', 'L1 5.688347000 cpu0 tftp-424 task'],
    ['            tftp-424   [000] ..s1.     5.688347123: ', 'L1 5.688347123 cpu0 tftp-424 softirq'],
    ['     kworker/2:1   87 [002]  4711.123456:       iommu:', 'L1 4711.123456000 cpu2 kworker/2:1-87 task'],
    ['     kworker/2:1   87/88 [002]  4711.123456789:       iommu:', 'L1 4711.123456789 cpu2 kworker/2:1-88 task'],
    ['     :-1   -1 [002]  4711.123456:       iommu:', 'L1 4711.123456000 cpu2 :-1--1 task'],
  ];
  it.each(shapes)('%s', (front, expected) => {
    expect(importText(`${front}${MAP}\n`).rows).toEqual([`${expected} ${MAP_ROW}`]);
  });

  it('reads padded names of trace-cmd', () => {
    const line = MAP.replace('map: ', 'map:                  ');
    expect(importText(`cpus=4\n            tftp-424   [000]     5.688347: ${line}\n`).events).toEqual([MAP_ROW]);
  });

  it('escapes bytes of task names that are not printable ASCII', () => {
    expect(importText(`   \x1b]0;\xe2\x80\\a-77      [003] .....     5.000001: ${MAP}\n`).rows).toEqual([
      `L1 5.000001000 cpu3 \\x1b]0;\\xe2\\x80\\x5ca-77 task ${MAP_ROW}`,
    ]);
  });

  it('takes a base off the times of a machine that has been up for very long', () => {
    const { rows, parser } = importText(`t-1 [000] ..... 99999999.000001: ${MAP}\nt-1 [000] ..... 100000000.123456789: ${MAP}\n`);
    expect(rows.map((row) => row.split(' ')[1])).toEqual(['0.000001000', '1.123456789']);
    expect(parser.statistics.timeBaseSeconds).toBe(99_999_999);
  });

  it('ignores events of other systems that share a name', () => {
    const { parser } = importText(`t 1 [000]  1.000001: iommu:${MAP}\nt 1 [000]  1.000002: other:map: x=1\n`);
    expect(parser.statistics.ledger()).toEqual([
      { what: 'iommu:map', lines: 1 },
      { what: 'not used: other:map', lines: 1 },
    ]);
  });
});

/** Goal: rows do not depend on where chunks and batches end. */
describe('chunks', () => {
  const whole = importText(SAMPLE);

  it('reads the sample', () => {
    expect(whole.rows).toEqual([
      'L6 5.679668000 cpu0 kworker/u4:1-26 task swiotlb_bounced 0000:02:00.0 dmaMask=0x10000000000000000 origAddr=0x10628f0c2 size=8 forced=0',
      'L7 5.679670000 cpu0 kworker/u4:1-26 task map iova=0xffffd000 end=0xffffe000 paddr=0x7bfd7000 size=4096',
      'L8 5.679672000 cpu0 kworker/u4:1-26 task dma_map_page 0000:02:00.0 FROM_DEVICE dmaAddr=0xffffd0c2 size=8 physAddr=0x10628f0c2',
      'L9 5.688347000 cpu1 <idle>-0 hardirq unmap iova=0xffffd000 end=0xffffe000 size=4096 unmappedSize=4096',
      'L10 5.688724000 cpu1 <idle>-0 hardirq cache_tag_flush_range unit=dmar0 did=9 start=0xffffd000 end=0xffffdfff addr=0xffffd000 pages=1 mask=0 tagType=0 pasid=0',
      'L11 5.688726000 cpu1 <idle>-0 hardirq qi_submit unit=dmar0 qw0High=0 qw0Low=0x900f2 qw1High=0 qw1Low=0xffffd000 descriptorType=2',
      'L12 5.688729000 cpu1 <idle>-0 hardirq dma_unmap_page 0000:02:00.0 FROM_DEVICE dmaAddr=0xffffd0c2 size=8',
      'L13 5.700001000 cpu1 <idle>-0 softirq dma_map_sg 0000:03:00.0 TO_DEVICE nents=2 ents=1 truncated=0 dmaAddrs={0xffffe000} sizes={8192} physAddrs={0x104a31000,0x104a32000}',
    ]);
    expect(whole.parser.statistics.problems.size).toBe(0);
  });

  it('gives the same rows for two chunks cut at every byte', () => {
    const bytes = bytesOf(SAMPLE);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const events: number[] = [];
      const parser = new TraceParser((batch) =>
        events.push(...batch.line.subarray(0, batch.rowCount), ...batch.v0.subarray(0, batch.rowCount)),
      );
      parser.push(bytes.slice(0, cut));
      parser.push(bytes.slice(cut));
      parser.end();
      expect(events.length).toBe(16);
      expect(parser.statistics.notUnderstood).toBe(0);
    }
  });

  it.each([1, 2, 3, 7, 64, 1000])('gives the same rows for chunks of %i bytes', (chunkBytes) => {
    expect(importText(SAMPLE, chunkBytes).rows).toEqual(whole.rows);
    expect(importText(SAMPLE, chunkBytes, 2).rows).toEqual(whole.rows);
  });

  it('gives the same rows for CRLF, without a last line end, and behind a UTF-8 mark', () => {
    expect(importText(SAMPLE.replaceAll('\n', '\r\n')).rows).toEqual(whole.rows);
    expect(importText(SAMPLE.slice(0, -1)).rows).toEqual(whole.rows);
    expect(importText(SAMPLE.slice(0, -1), 5).rows).toEqual(whole.rows);
    const marked = importText(`\xef\xbb\xbf${SAMPLE}`);
    expect(marked.rows).toEqual(whole.rows);
    expect(marked.parser.statistics.tracer).toBe('nop');
  });

  it('keeps a batch valid while the next one is filled', () => {
    let held: EventBatch | undefined;
    const parser = new TraceParser(
      (batch) => {
        held = batch;
      },
      { batchRows: 3 },
    );
    const heldLines: number[][] = [];
    for (let line = 1; line <= 7; line++) {
      parser.push(bytesOf(`t-1 [000] ..... 1.00000${line}: ${MAP}\n`));
      heldLines.push([...(held?.line.subarray(0, held.rowCount) ?? [])]);
    }
    expect(heldLines).toEqual([[], [], [1, 2, 3], [1, 2, 3], [1, 2, 3], [4, 5, 6], [4, 5, 6]]);
  });
});

/** Goal: whatever the text, each line is in exactly one row of the ledger and nothing but a LabError is thrown. */
describe('ledger', () => {
  const total = (text: string): void => {
    const parser = new TraceParser(() => {}, SMALL);
    try {
      parser.push(bytesOf(text));
      parser.end();
    } catch (error) {
      expect(error).toBeInstanceOf(LabError);
    }
    const sum = parser.statistics.ledger().reduce((lines, row) => lines + row.lines, 0);
    expect(sum).toBe(parser.statistics.lines);
  };

  it('adds up when the text ends anywhere', () => {
    for (let cut = 0; cut <= SAMPLE.length; cut++) total(SAMPLE.slice(0, cut));
  });

  it('adds up for damaged text', () => {
    const damage = fc.array(fc.tuple(fc.nat(SAMPLE.length - 1), fc.constantFrom(...' \n\r[]{}=-:.,/0f\x00\xff#')), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(damage, (places) => {
        const characters = [...SAMPLE];
        for (const [position, character] of places) characters[position] = character;
        total(characters.join(''));
      }),
      { seed: 20_190_401, numRuns: 3000 },
    );
  });

  it('counts every sort of line', () => {
    const text = [
      '# tracer: nop',
      '',
      `t-1 [000] ..... 1.000001: ${MAP}`,
      't-1 [000] ..... 1.000002: sched_switch: prev_comm=a',
      't-1 [000] ..... 1.000003: sched_switch: prev_comm=b',
      't-1 [000] ..... 1.000003: <stack trace>',
      ' => func_a',
      'CPU:1 [LOST 9 EVENTS]',
      'CPU:2 [7 EVENTS DROPPED]',
      'CPU:0 [EVENTS DROPPED]',
      'perf 12 PERF_RECORD_LOST_SAMPLES lost 5',
      'CPU 3 is empty',
      '##### CPU 2 buffer started ####',
      't-1 [000] ..... 12345: map: x',
      't-1 [000] ..... 1.0000',
      'from a mail',
      '',
    ].join('\n');
    const { statistics } = importText(text).parser;
    expect(statistics.ledger()).toEqual([
      { what: 'iommu:map', lines: 1 },
      { what: 'not used: sched_switch', lines: 2 },
      { what: 'not used: function or stack trace', lines: 1 },
      { what: 'not used: stack trace', lines: 1 },
      { what: 'header', lines: 3 },
      { what: 'blank', lines: 1 },
      { what: 'lost-events mark', lines: 4 },
      { what: 'not understood: time without seconds', lines: 1 },
      { what: 'not understood: cut line', lines: 1 },
      { what: 'not understood: not a trace line', lines: 1 },
    ]);
    expect(statistics.lost).toBe(21);
    expect(statistics.lostUnknownMarks).toBe(1);
    expect(statistics.losses[0]).toEqual({ cpu: 1, count: 9, line: 8, timeNs: 1_000_001_000 });
  });

  it('sees overwritten events, missing lines and steps back in time', () => {
    const head = '# entries-in-buffer/entries-written: 3/10   #P:2\n';
    const { statistics } = importText(`${head}t-1 [000] ..... 2.000001: ${MAP}\nt-1 [001] ..... 1.000001: ${MAP}\n`).parser;
    expect([statistics.overwritten, statistics.lost, statistics.headerCpus, statistics.cpuMax]).toEqual([7, 7, 2, 1]);
    expect(statistics.backwardNsMax).toBe(1e9);
    expect([...statistics.problems.values()].map((problem) => [problem.cause, problem.severity])).toEqual([
      ['time goes backwards', 'error'],
      ['fewer events than the header says', 'dataLoss'],
    ]);
  });

  it('bounds the foreign names and the length of a line', () => {
    const foreign = Array.from({ length: 70 }, (_, index) => `t-1 [000] ..... 1.000001: event_${index}: x\n`).join('');
    const long = 'x'.repeat(1_100_000);
    const { statistics } = importText(`t-1 [000] ..... 1.000001: ${MAP}\n${foreign}${long}\n`, 50_000).parser;
    expect(statistics.foreignByName.size).toBe(51);
    expect(statistics.foreignByName.get('(other names)')).toBe(20);
    expect([...statistics.problems.values()].map((problem) => [problem.cause, problem.firstLine])).toEqual([['line too long', 72]]);
  });
});

/** Goal: a file that is no trace is refused with a code that says what it is. */
describe('refusals', () => {
  const event = `t-1 [000] ..... 1.000001: sched_switch: prev_comm=a\n`;
  const files: readonly (readonly [string, string, string])[] = [
    ['empty', '', 'TRC001'],
    ['blank lines', '\n  \n\r\n', 'TRC001'],
    ['trace.dat', '\x17\x08\x44tracing6\0\0\0', 'TRC002'],
    ['perf.data', 'PERFILE2h\0\0\0', 'TRC003'],
    ['gzip inside', '\x1f\x8b\x08\0\0', 'TRC004'],
    ['zstd', '\x28\xb5\x2f\xfd\0', 'TRC004'],
    ['a program', '\x7fELF\x02\x01', 'TRC004'],
    ['UTF-16', '\xff\xfe#\0 \0', 'TRC004'],
    ['zeros', `${'\0'.repeat(100)}\n`, 'TRC004'],
    ['other events', event.repeat(5), 'TRC006'],
    ['headers only', '# tracer: nop\n#\n', 'TRC006'],
    ['another clock', `t-1 [000] ..... 12345: ${MAP}\n`, 'TRC006'],
    ['only wrong forms', 't-1 [000] ..... 1.000001: map: x\n', 'TRC006'],
    ['function_graph', '# tracer: function_graph\n#\n 0)   1.234 us    |  foo();\n', 'TRC007'],
    ['function_graph without header', ' 0)   1.234 us    |  foo();\n 1)               |  bar() {\n', 'TRC007'],
    ['function', '# tracer: function\n t-1 [000] ..... 1.000001: vfs_read <-ksys_read\n', 'TRC007'],
    ['JSON', '{\n "a": 1\n}\n', 'TRC008'],
    ['HTML', '<!doctype html>\n<p>no</p>\n', 'TRC008'],
    ['other text', 'To whom it may concern\n', 'TRC008'],
  ];
  it.each(files)('%s', (_, text, code) => {
    for (const chunkBytes of [1, 5, 4096]) {
      let error: unknown;
      try {
        importText(text, chunkBytes);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(LabError);
      const refusal = error as LabError;
      expect(refusal.code).toBe(code);
      expect(refusal.toText()).toMatch(/^[\x20-\x7e\n]+$/);
      expect([refusal.expected, refusal.got, refusal.next]).not.toContain(undefined);
    }
  });

  it('gives up early on a large file that is no trace', () => {
    const parser = new TraceParser(() => {}, { file: 'x.json' });
    expect(() => parser.push(bytesOf('{"a": 1},\n'.repeat(5000)))).toThrow(LabError);
    expect(parser.statistics.lines).toBe(1000);
  });
});
