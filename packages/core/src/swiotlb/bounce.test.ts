import { describe, expect, it } from 'vitest';
import { Direction, type KernelRules, ObservationLog, Observed, Prng, StateArena } from '../base/index.ts';
import { AccountingMemory, ByteMemory } from '../mem/index.ts';
import { type Bounce, copyOutAtUnmap, syncSingleForCpu, syncSingleForDevice, tblMapSingle, tblRelease, tblUnmapSingle } from './bounce.ts';
import { zeroPadding } from './padding.ts';
import { SwiotlbPool } from './pool.ts';
import { NO_SLOT } from './pool-parameters.ts';

const START = 0x7bfd7000;
const FOUR_GIB = 0xffffffff;
const CPU = 1;
const DEVICE = 7;
const DOMAIN = 42;
const KERNELS: readonly KernelRules[] = ['6.1', '6.12'];

interface Rig extends Bounce {
  readonly arena: StateArena;
  readonly memory: ByteMemory;
}

function makeRig(kernel: KernelRules, slots = 512): Rig {
  const arena = new StateArena();
  const memory = new ByteMemory(arena, 4);
  const log = new ObservationLog();
  const pool = new SwiotlbPool(arena, { start: START, slots, areas: 1, kernel });
  return { arena, kernel, memory, log, pool };
}

function fill(memory: ByteMemory, address: number, bytes: number, seed: number): void {
  memory.write(address, pattern(bytes, seed));
}

function pattern(bytes: number, seed: number): Uint8Array {
  const prng = new Prng(seed);
  return Uint8Array.from({ length: bytes }, () => 1 + prng.below(255));
}

function bytesAt(memory: ByteMemory, address: number, bytes: number): Uint8Array {
  const into = new Uint8Array(bytes);
  memory.read(address, into);
  return into;
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** Kinds and values of the rows logged since the last call. */
function drain(log: ObservationLog): number[][] {
  const rows: number[][] = [];
  for (let row = 0; row < log.length; row++) {
    expect([log.cpu[row], log.device[row], log.domain[row]]).toEqual([CPU, DEVICE, DOMAIN]);
    rows.push([log.kind[row], log.a[row], log.b[row], log.c[row], log.d[row], log.e[row]]);
  }
  log.clear();
  return rows;
}

function map(rig: Rig, original: number, bytes: number, a = 4095, m = 0): number {
  return tblMapSingle(rig, original, bytes, a, m, FOUR_GIB, CPU, DEVICE, DOMAIN);
}

function unmap(rig: Rig, tlb: number, bytes: number, direction: Direction, skipCpuSync = false, m = 0): void {
  tblUnmapSingle(rig, tlb, bytes, direction, skipCpuSync, m, CPU, DEVICE, DOMAIN);
}

describe.each(KERNELS)('%s map and unmap', (kernel) => {
  it('copies in for every direction and says what it did', () => {
    const rig = makeRig(kernel);
    fill(rig.memory, 0x10000123, 5000, 1);
    const tlb = map(rig, 0x10000123, 5000);
    expect(tlb).toBe(START);
    expect(bytesAt(rig.memory, tlb, 5000)).toEqual(pattern(5000, 1));
    expect(bytesAt(rig.memory, tlb + 5000, 10)).toEqual(new Uint8Array(10));
    expect(drain(rig.log)).toEqual([
      [Observed.SLOT_ALLOCATED, 0, 4, tlb, 0, 1],
      [Observed.COPIED_IN, tlb, 5000, 0x10000123, 0, 0],
    ]);
  });

  it.each([
    [Direction.TO_DEVICE, false, false],
    [Direction.FROM_DEVICE, false, true],
    [Direction.BIDIRECTIONAL, false, true],
    [Direction.FROM_DEVICE, true, false],
    [Direction.BIDIRECTIONAL, true, false],
  ] as const)('direction %i, skip sync %s: copied out %s', (direction, skip, copied) => {
    const rig = makeRig(kernel);
    fill(rig.memory, 0x10000123, 700, 1);
    const tlb = map(rig, 0x10000123, 700);
    fill(rig.memory, tlb + 100, 50, 2);
    drain(rig.log);
    unmap(rig, tlb, 700, direction, skip);
    const expected = pattern(700, 1);
    if (copied) expected.set(pattern(50, 2), 100);
    expect(bytesAt(rig.memory, 0x10000123, 700)).toEqual(expected);
    const rows = [[Observed.SLOT_RELEASED, 0, 2, 0, 0, 0]];
    expect(drain(rig.log)).toEqual(copied ? [[Observed.COPIED_OUT, tlb, 700, 0x10000123, 0, 0], ...rows] : rows);
    expect(rig.pool.used).toBe(0);
  });

  it('leaves the old contents in released slots', () => {
    const rig = makeRig(kernel);
    fill(rig.memory, 0x10000000, 300, 3);
    const tlb = map(rig, 0x10000000, 300);
    unmap(rig, tlb, 300, Direction.TO_DEVICE);
    expect(bytesAt(rig.memory, tlb, 300)).toEqual(pattern(300, 3));
  });

  it('reports a full pool', () => {
    const rig = makeRig(kernel, 128);
    map(rig, 0x10000000, 262144);
    drain(rig.log);
    expect(map(rig, 0x10000000, 5000)).toBe(NO_SLOT);
    expect(drain(rig.log)).toEqual([[Observed.SLOT_FAILED, 8192, 4, 0, 0, 0]]);
  });

  it('can release the slots later than it copies out', () => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000e08, 512, 4095, 4095);
    copyOutAtUnmap(rig, tlb, 512, Direction.FROM_DEVICE, 4095, CPU, DEVICE, DOMAIN);
    expect(rig.pool.used).toBe(kernel === '6.1' ? 3 : 4);
    tblRelease(rig, tlb, 4095, CPU, DEVICE, DOMAIN);
    expect(rig.pool.used).toBe(0);
  });
});

describe.each(KERNELS)('%s partial sync', (kernel) => {
  const old = kernel === '6.1';

  it.each([
    [Direction.TO_DEVICE, true, false],
    [Direction.FROM_DEVICE, false, true],
    [Direction.BIDIRECTIONAL, true, true],
  ] as const)('direction %i: for device copies %s, for CPU copies %s', (direction, forDevice, forCpu) => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000000, 6000);
    drain(rig.log);
    syncSingleForDevice(rig, tlb + 3000, 100, direction, 0, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual(forDevice ? [[Observed.COPIED_IN, tlb + 3000, 100, 0x10000000 + 3000, 0, 0]] : []);
    syncSingleForCpu(rig, tlb + 3000, 100, direction, 0, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual(forCpu ? [[Observed.COPIED_OUT, tlb + 3000, 100, 0x10000000 + 3000, 0, 0]] : []);
  });

  it('stops at a direction of none', () => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000000, 600);
    expect(() => syncSingleForCpu(rig, tlb, 10, Direction.NONE, 0, CPU, DEVICE, DOMAIN)).toThrow('without a direction');
    expect(() => syncSingleForDevice(rig, tlb, 10, Direction.NONE, 0, CPU, DEVICE, DOMAIN)).toThrow('without a direction');
  });

  it('ignores an address in a free slot', () => {
    const rig = makeRig(kernel);
    syncSingleForCpu(rig, START + 5000, 10, Direction.FROM_DEVICE, 0, CPU, DEVICE, DOMAIN);
    expect([rig.log.length, rig.pool.earlyAccesses, rig.pool.overflows]).toEqual([0, 0, 0]);
  });

  it('in the first offset bytes of a later slot copies only in 6.12', () => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000210, 4000, 0, 511);
    expect(tlb % 2048).toBe(0x10);
    const part = tlb - 0x10 + 2048 + 5;
    drain(rig.log);
    syncSingleForCpu(rig, part, 100, Direction.FROM_DEVICE, 511, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual(old ? [] : [[Observed.COPIED_OUT, part, 100, 0x10000210 + (part - tlb), 0, 0]]);
    expect([rig.pool.earlyAccesses, rig.pool.overflows]).toEqual([old ? 1 : 0, 0]);
  });

  it('cuts a part that reaches past the allocation', () => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000000, 3000, 0);
    drain(rig.log);
    syncSingleForDevice(rig, tlb + 2500, 600, Direction.TO_DEVICE, 0, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual([[Observed.COPIED_IN, tlb + 2500, 500, 0x10000000 + 2500, 0, 0]]);
    syncSingleForDevice(rig, tlb + 3000, 5, Direction.TO_DEVICE, 0, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual([]);
    expect([rig.pool.earlyAccesses, rig.pool.overflows]).toEqual([0, 2]);
  });

  it('that begins past the allocation is refused in 6.1; in 6.12 the size wraps and all is copied', () => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000000, 100, 0);
    drain(rig.log);
    syncSingleForDevice(rig, tlb + 150, 20, Direction.TO_DEVICE, 0, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual(old ? [] : [[Observed.COPIED_IN, tlb + 150, 20, 0x10000000 + 150, 0, 0]]);
    expect(rig.pool.overflows).toBe(old ? 1 : 0);
  });

  it('works in a last slot whose size the kernel wraps below zero', () => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000000 + 2000, 100, 0, 2047);
    drain(rig.log);
    syncSingleForCpu(rig, tlb + 60, 100, Direction.FROM_DEVICE, 2047, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual(old ? [] : [[Observed.COPIED_OUT, tlb + 60, 40, 0x10000000 + 2060, 0, 0]]);
    expect([rig.pool.earlyAccesses, rig.pool.overflows]).toEqual(old ? [1, 0] : [0, 1]);
  });
});

describe('padding', () => {
  const cases: readonly [KernelRules, Direction, boolean, string, (tlb: number) => number[][]][] = [
    ['6.1', Direction.TO_DEVICE, false, 'after the data', (tlb) => [[tlb + 700, 4096 - 700]]],
    ['6.1', Direction.BIDIRECTIONAL, false, 'after the data', (tlb) => [[tlb + 700, 4096 - 700]]],
    ['6.1', Direction.FROM_DEVICE, false, 'with the data', (tlb) => [[tlb, 4096]]],
    ['6.1', Direction.TO_DEVICE, true, 'with the data', (tlb) => [[tlb, 4096]]],
    ['6.12', Direction.TO_DEVICE, false, 'around the data', (tlb) => around(tlb)],
    ['6.12', Direction.FROM_DEVICE, false, 'around the data', (tlb) => around(tlb)],
    ['6.12', Direction.BIDIRECTIONAL, true, 'around the data', (tlb) => around(tlb)],
  ];

  function around(tlb: number): number[][] {
    const page = tlb - (tlb % 4096);
    return [
      [page, tlb - page],
      [tlb + 700, page + 4096 - tlb - 700],
    ];
  }

  it.each(cases)('%s, direction %i, skip sync %s: %s', (kernel, direction, skip, _name, ranges) => {
    const rig = makeRig(kernel);
    const first = Math.floor(START / 4096) * 4096;
    fill(rig.memory, first, 16384, 4);
    const before = bytesAt(rig.memory, first, 16384);
    fill(rig.memory, 0x10000a10, 700, 5);
    const tlb = map(rig, 0x10000a10, 700, 4095, 4095);
    drain(rig.log);
    zeroPadding(rig, tlb, 700, direction, skip, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual(ranges(tlb).map(([start, bytes]) => [Observed.ZEROED, start, bytes, 0, 0, 0]));
    before.set(pattern(700, 5), tlb - first);
    for (const [start, bytes] of ranges(tlb)) before.fill(0, start - first, start - first + bytes);
    expect(bytesAt(rig.memory, first, 16384)).toEqual(before);
  });

  it.each(KERNELS)('%s: nothing to clear around whole pages', (kernel) => {
    const rig = makeRig(kernel);
    const tlb = map(rig, 0x10000000, 8192);
    drain(rig.log);
    zeroPadding(rig, tlb, 8192, Direction.TO_DEVICE, false, CPU, DEVICE, DOMAIN);
    expect(drain(rig.log)).toEqual([]);
  });
});

describe('data integrity', () => {
  it('brings the bytes of random partial syncs to the right place, and nothing else', () => {
    const prng = new Prng(11);
    const rig = makeRig('6.12');
    for (let round = 0; round < 60; round++) {
      const m = [0, 511, 4095][prng.below(3)];
      const original = 0x10000000 + prng.below(20000);
      const bytes = 1 + prng.below(9000);
      const driver = pattern(bytes, 1000 + round);
      rig.memory.write(original, driver);
      const guard = bytesAt(rig.memory, original - 64, 64);
      const tlb = map(rig, original, bytes, prng.chance(1, 2) ? 4095 : 0, m);
      const device = driver.slice();
      for (let k = 0; k < 10; k++) {
        const from = prng.below(bytes);
        const length = 1 + prng.below(bytes - from);
        const fresh = pattern(length, 5000 + round * 10 + k);
        if (prng.chance(1, 2)) {
          rig.memory.write(original + from, fresh);
          driver.set(fresh, from);
          syncSingleForDevice(rig, tlb + from, length, Direction.BIDIRECTIONAL, m, CPU, DEVICE, DOMAIN);
          device.set(fresh, from);
        } else {
          rig.memory.write(tlb + from, fresh);
          device.set(fresh, from);
          syncSingleForCpu(rig, tlb + from, length, Direction.BIDIRECTIONAL, m, CPU, DEVICE, DOMAIN);
          driver.set(fresh, from);
        }
        expect([same(bytesAt(rig.memory, original, bytes), driver), same(bytesAt(rig.memory, tlb, bytes), device)]).toEqual([true, true]);
      }
      unmap(rig, tlb, bytes, Direction.BIDIRECTIONAL, false, m);
      expect(same(bytesAt(rig.memory, original, bytes), device)).toBe(true);
      expect(same(bytesAt(rig.memory, original - 64, 64), guard)).toBe(true);
    }
    expect([rig.pool.used, rig.pool.overflows, rig.pool.earlyAccesses]).toEqual([0, 0, 0]);
  });

  it('is the same again after a restore', () => {
    const rig = makeRig('6.12');
    fill(rig.memory, 0x10000100, 900, 6);
    const tlb = map(rig, 0x10000100, 900);
    const saved = rig.arena.save();
    const hash = rig.arena.hash();
    unmap(rig, tlb, 900, Direction.FROM_DEVICE);
    fill(rig.memory, tlb, 900, 7);
    rig.arena.restore(saved);
    expect(rig.arena.hash()).toBe(hash);
    expect(bytesAt(rig.memory, tlb, 900)).toEqual(pattern(900, 6));
    unmap(rig, tlb, 900, Direction.FROM_DEVICE);
    expect(rig.pool.used).toBe(0);
  });

  it('needs no bytes when only the work is counted', () => {
    const memory = new AccountingMemory();
    const pool = new SwiotlbPool(new StateArena(), { start: START, slots: 512, areas: 1, kernel: '6.12' });
    const bounce: Bounce = { pool, kernel: pool.kernel, memory, log: new ObservationLog() };
    const tlb = tblMapSingle(bounce, 0x10000000, 900, 4095, 0, FOUR_GIB, CPU, DEVICE, DOMAIN);
    zeroPadding(bounce, tlb, 900, Direction.FROM_DEVICE, false, CPU, DEVICE, DOMAIN);
    tblUnmapSingle(bounce, tlb, 900, Direction.FROM_DEVICE, false, 0, CPU, DEVICE, DOMAIN);
    expect([memory.copies, memory.copiedBytes, memory.zeroings, memory.zeroedBytes]).toEqual([2, 1800, 1, 4096 - 900]);
  });
});
