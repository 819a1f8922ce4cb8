import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchLimit } from './batch-limit.ts';

const LEAD = 6;

describe('BatchLimit', () => {
  it('lets nobody be more than six batches ahead', () => {
    const limit = new BatchLimit(BatchLimit.cellsFor(2));
    for (let batch = 0; batch < LEAD; batch++) {
      expect(limit.mayBegin(batch)).toBe(true);
      limit.reach(0, batch + 1);
    }
    limit.reach(1, 1);
    expect(limit.mayBegin(LEAD)).toBe(true);
    limit.freeze();
    expect(limit.mayBegin(LEAD + 1)).toBe(false);
  });

  it('waits for no thread that has seen the last batch', () => {
    const limit = new BatchLimit(BatchLimit.cellsFor(2));
    limit.end(1);
    limit.reach(0, LEAD);
    expect(limit.mayBegin(LEAD)).toBe(true);
  });

  it('stops all threads behind the same batch, whatever they have done by then', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(fc.nat(3), { maxLength: 60 }), (threads, turns) => {
        const limit = new BatchLimit(BatchLimit.cellsFor(threads));
        const done = new Array<number>(threads).fill(0);
        // Before the freeze a thread at the limit would wait, so it has no turn.
        const mayGo = (thread: number): boolean => done[thread]! < Math.min(...done) + LEAD;
        for (const turn of turns) {
          const thread = turn % threads;
          if (!mayGo(thread)) continue;
          expect(limit.mayBegin(done[thread]!)).toBe(true);
          done[thread]! += 1;
          limit.reach(thread, done[thread]!);
        }
        const slowest = Math.min(...done);
        limit.freeze();
        for (let thread = 0; thread < threads; thread++) {
          while (limit.mayBegin(done[thread]!)) {
            done[thread]! += 1;
            limit.reach(thread, done[thread]!);
          }
        }
        expect(new Set(done).size).toBe(1);
        expect(done[0]! - slowest).toBeLessThanOrEqual(LEAD);
      }),
    );
  });
});
