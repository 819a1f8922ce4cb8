import { describe, expect, it } from 'vitest';
import type { KernelRules } from '../base/index.ts';
import { parseSwiotlbParameter, poolSize, type SwiotlbParameter } from './pool-size.ts';

const MIB = 2 ** 20;

describe('parseSwiotlbParameter', () => {
  const cases: readonly [string, SwiotlbParameter][] = [
    ['', {}],
    ['65536', { slots: 65536 }],
    ['65536,4', { slots: 65536, areas: 4 }],
    ['65536,4,force', { slots: 65536, areas: 4, mode: 'force' }],
    ['force', { mode: 'force' }],
    ['noforce', { mode: 'noforce' }],
    ['1024,force', { slots: 1024, mode: 'force' }],
    ['1024,,noforce', { slots: 1024, mode: 'noforce' }],
    ['nonsense', {}],
  ];
  it.each(cases)('"%s"', (text, parameter) => {
    expect(parseSwiotlbParameter(text)).toEqual(parameter);
  });
});

describe('poolSize', () => {
  const cases: readonly [string, SwiotlbParameter, number, KernelRules, number, number, number][] = [
    ['default', {}, 4, '6.12', Number.POSITIVE_INFINITY, 32768, 4],
    ['areas rounded up to a power of two', {}, 6, '6.12', Number.POSITIVE_INFINITY, 32768, 8],
    ['a segment for each of many areas', {}, 300, '6.12', Number.POSITIVE_INFINITY, 65536, 512],
    ['slots rounded to segments, then to a power of two', { slots: 1000 }, 1, '6.12', Number.POSITIVE_INFINITY, 1024, 1],
    ['slots rounded to a power of two', { slots: 1300 }, 2, '6.1', Number.POSITIVE_INFINITY, 2048, 2],
    ['given areas', { slots: 512, areas: 3 }, 64, '6.1', Number.POSITIVE_INFINITY, 512, 4],
    ['given areas need more slots', { slots: 512, areas: 16 }, 1, '6.12', Number.POSITIVE_INFINITY, 2048, 16],
    ['no areas means one', { areas: 0 }, 8, '6.12', Number.POSITIVE_INFINITY, 32768, 1],
    ['halved until it fits', {}, 4, '6.12', 10 * MIB, 4096, 4],
    ['areas follow the smaller pool in 6.12', {}, 32, '6.12', 2 * MIB, 1024, 8],
    ['and do not in 6.1', {}, 32, '6.1', 2 * MIB, 1024, 32],
    ['smallest pool', {}, 1, '6.12', MIB, 512, 1],
    ['no pool', {}, 1, '6.12', MIB - 1, 0, 0],
  ];
  it.each(cases)('%s', (_name, parameter, cpus, kernel, contiguousBytes, slots, areas) => {
    expect(poolSize(parameter, cpus, kernel, contiguousBytes)).toEqual({ slots, areas });
  });
});
