import { describe, expect, it } from 'vitest';
import { dataGrade } from './data-grade.ts';
import { importText } from './row-table.oracle.ts';

const LINE = 't-1 [000] ..... 7.912345: map: IOMMU: iova=0x1000 paddr=0x3000 size=4096\n';

/** Goal: the DATA line has the wording of the three levels, and the worst finding decides. */
describe('data grade', () => {
  const grade = (text: string, options: { inferred?: number; contradictions?: number; machine?: string } = {}): readonly string[] => {
    const result = dataGrade({ statistics: importText(text).parser.statistics, ...options });
    for (const line of result.lines) {
      expect(line).toMatch(/^[\x20-\x7e]{1,100}$/);
      expect(line).not.toMatch(/ $/);
    }
    expect(result.lines[0]).toMatch(new RegExp(`^DATA {2}${result.level}: `));
    return result.lines;
  };

  it('is clean when nothing is missing', () => {
    expect(grade(LINE.repeat(1200))).toEqual(['DATA  clean: 1,200 events, 0 lost, 0 not understood']);
    expect(grade(LINE, { inferred: 0 })).toEqual(['DATA  clean: 1 event, 0 lost, 0 not understood, 0 inferred']);
    expect(grade(LINE, { machine: 'dock.machine.json' })).toEqual([
      'DATA  clean: 1 event, 0 lost, 0 not understood; machine: dock.machine.json',
    ]);
  });

  it('is usable when something was not understood, inferred or contradictory', () => {
    expect(grade(`${LINE}from a mail\n${LINE}`, { inferred: 3 })).toEqual([
      'DATA  usable: 2 events, 0 lost, 1 not understood (1 form, first L2), 3 values inferred',
    ]);
    expect(grade(LINE, { inferred: 1 })).toEqual(['DATA  usable: 1 event, 0 lost, 0 not understood, 1 value inferred']);
    expect(grade(LINE, { contradictions: 2 })).toEqual([
      'DATA  usable: 1 event, 0 lost, 0 not understood, 2 contradictions with the machine description',
    ]);
    expect(grade(LINE + LINE.replace('7.9', '6.9'))).toEqual([
      'DATA  usable: 2 events, 0 lost, 0 not understood, 1 time goes backwards (first L2)',
    ]);
  });

  it('is LOSS when events are missing, with the mark, the CPU and the time', () => {
    expect(grade(`${LINE}CPU:1 [LOST 1233 EVENTS]\n${LINE}`)).toEqual([
      'DATA  LOSS: CPU 1 lost 1,233 events at 7.912 s. Counts are lower bounds (>=) from there on. Record',
      '      again with a larger buffer: trace-cmd record -b 65536',
    ]);
    expect(grade(`CPU:0 [EVENTS DROPPED]\n${LINE}CPU:1 [2 EVENTS DROPPED]\n`)[0]).toMatch(
      /^DATA {2}LOSS: CPU 0 lost events before the first event. 1 more mark of lost events, 2 in all./,
    );
    expect(grade(`# entries-in-buffer/entries-written: 1/1500   #P:1\n${LINE}`)[0]).toMatch(
      /^DATA {2}LOSS: the ring buffer overwrote the first 1,499 events./,
    );
    expect(grade(`# entries-in-buffer/entries-written: 3/3   #P:1\n${LINE}`)[0]).toMatch(
      /^DATA {2}LOSS: fewer events than the header says/,
    );
    expect(grade(LINE + LINE.slice(0, 60))[0]).toMatch(/^DATA {2}LOSS: L2 is a cut line./);
  });

  it('names the time of a loss on the clock of the trace when times are counted from a base', () => {
    expect(grade(`${LINE.replace('7.912345', '99999999.500000')}CPU:1 [LOST 1 EVENTS]\n`)[0]).toMatch(
      /CPU 1 lost 1 event at 99999999.500 s/,
    );
  });
});
