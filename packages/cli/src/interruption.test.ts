import { describe, expect, it } from 'vitest';
import { Interrupted, Interruption } from './interruption.ts';

async function* numbers(limit: number): AsyncGenerator<number, void, void> {
  for (let number = 0; number < limit; number++) yield number;
}

async function* silent(): AsyncGenerator<number, void, void> {
  await new Promise(() => {});
  yield 1;
}

describe('Interruption', () => {
  it('lets everything through when nobody interrupts', async () => {
    const seen: number[] = [];
    for await (const number of new Interruption().until(numbers(5))) seen.push(number);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  it('stops after the batch at hand', async () => {
    const interruption = new Interruption();
    const seen: number[] = [];
    for await (const number of interruption.until(numbers(100))) {
      seen.push(number);
      if (number === 2) interruption.request();
    }
    expect(seen).toEqual([0, 1, 2]);
  });

  it('stops while the next batch does not come', async () => {
    const interruption = new Interruption();
    setTimeout(() => interruption.request(), 5);
    for await (const _ of interruption.until(silent())) expect.unreachable();
    await expect(interruption.during(new Promise(() => {}))).rejects.toThrow(Interrupted);
  });

  it('notices a signal between batches that are there at once', async () => {
    const interruption = new Interruption();
    const release = interruption.listen();
    let seen = 0;
    for await (const number of interruption.until(numbers(1_000_000))) {
      if (number === 3) process.kill(process.pid, 'SIGINT');
      seen = number;
    }
    release();
    expect(interruption.requested).toBe(true);
    expect(seen).toBeLessThan(1_000_000 - 1);
  });
});
