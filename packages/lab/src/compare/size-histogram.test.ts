import { PAGE_SIZE, Prng } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { ALIGNMENTS, Alignment, SizeHistogram } from './size-histogram.ts';

describe('a histogram of sizes', () => {
  it('counts what a list of all ranges counts, exactly to 4 KiB and at whole pages to 1 MiB, to 1/256 elsewhere', () => {
    const random = new Prng(7);
    const histogram = new SizeHistogram(2);
    const all: { device: number; alignment: Alignment; bytes: number }[] = [];
    for (let index = 0; index < 20_000; index++) {
      const device = random.below(2);
      const size = 1 + random.below(2 ** (1 + random.below(24)));
      const bytes = random.below(3) === 0 ? Math.ceil(size / PAGE_SIZE) * PAGE_SIZE : size;
      const address = PAGE_SIZE * random.below(1000) + (random.below(2) === 0 ? 0 : 1 + random.below(PAGE_SIZE - 1));
      histogram.addRange(device, address, bytes);
      const starts = address % PAGE_SIZE === 0;
      const whole = bytes % PAGE_SIZE === 0;
      all.push({ device, bytes, alignment: !starts ? Alignment.UNALIGNED : whole ? Alignment.ALIGNED : Alignment.START_ALIGNED });
    }
    const counted = (device: number, alignment: Alignment, above: number, upTo: number): { ranges: number; bytes: number } => {
      const inside = all.filter((one) => one.device === device && one.alignment === alignment && one.bytes > above && one.bytes <= upTo);
      return { ranges: inside.length, bytes: inside.reduce((sum, one) => sum + one.bytes, 0) };
    };
    for (const device of [0, 1]) {
      for (const alignment of ALIGNMENTS) {
        expect(histogram.count(device, alignment)).toEqual(counted(device, alignment, -1, Number.POSITIVE_INFINITY));
        for (const limit of [0, 1, 63, 64, 1499, 1500, 4095, 4096, 8192, 12_288, 61_440, 65_536, 2 ** 20, 2 ** 24])
          expect(histogram.count(device, alignment, 32, limit)).toEqual(counted(device, alignment, 32, limit));
        for (let round = 0; round < 50; round++) {
          const limit = random.below(2 ** 24);
          const { ranges } = histogram.count(device, alignment, -1, limit);
          expect(ranges).toBeLessThanOrEqual(counted(device, alignment, -1, limit).ranges);
          expect(ranges).toBeGreaterThanOrEqual(counted(device, alignment, -1, limit * (1 - 1 / 256) - 1).ranges);
        }
      }
    }
  });

  it('keeps ranges that are longer than it can tell', () => {
    const histogram = new SizeHistogram(1);
    histogram.addRange(0, 0, 2 ** 40);
    expect(histogram.count(0, Alignment.ALIGNED, 2 ** 31)).toEqual({ ranges: 1, bytes: 2 ** 40 });
  });
});
