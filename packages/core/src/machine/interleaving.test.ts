import { describe, expect, test } from 'vitest';
import { Direction, PAGE_SIZE, Prng } from '../base/index.ts';
import { DmaStep } from '../dma/index.ts';
import { bounceStrict, policies, strict } from '../policy/index.ts';
import { framesOutsideTables } from './call-sequences.oracle.ts';
import { Machine } from './machine.ts';
import { observedRows } from './observed-rows.oracle.ts';
import { pcMachine } from './pc.ts';

type Policy = typeof strict;
const ALL_KINDS = new Set<number>();

/** A small machine with two devices on two CPUs: rings of four entries and a pool of 64 slots are soon full. */
function smallMachine(policy: Policy): Machine {
  return new Machine(
    pcMachine([policy, policy], { ringEntries: 4, swiotlb: { start: 0x7bfd7000, slots: 64, areas: 2, forced: true, segmentSlots: 32 } }),
  );
}

/** Two drivers, one per CPU, each of which maps and unmaps; whose step comes next is drawn. */
class TwoDrivers {
  readonly machine: Machine;
  private readonly prng: Prng;
  /** Per CPU: the call in flight or -1, and the mapping that it makes or that is held. */
  private readonly call = [-1, -1];
  private readonly address = [-1, -1];
  private readonly bytes = [0, 0];

  constructor(machine: Machine, seed: number) {
    this.machine = machine;
    this.prng = new Prng(seed);
  }

  /** Performs one step of one of the calls; begins the next one where a CPU has none. */
  step(): void {
    const cpu = this.prng.below(2);
    if (this.call[cpu] < 0) this.begin(cpu);
    else if (this.machine.dma.step(this.call[cpu])) this.finish(cpu);
  }

  /** Ends calls and mappings. */
  drain(): void {
    for (const cpu of [0, 1]) {
      while (this.call[cpu] >= 0) if (this.machine.dma.step(this.call[cpu])) this.finish(cpu);
      if (this.address[cpu] >= 0) {
        this.begin(cpu);
        while (this.call[cpu] >= 0) if (this.machine.dma.step(this.call[cpu])) this.finish(cpu);
      }
    }
  }

  /** What decides the future outside the machine. */
  copyFor(machine: Machine): TwoDrivers {
    const copy = new TwoDrivers(machine, 0);
    Object.assign(copy.prng, this.prng);
    for (const cpu of [0, 1]) {
      copy.call[cpu] = this.call[cpu];
      copy.address[cpu] = this.address[cpu];
      copy.bytes[cpu] = this.bytes[cpu];
    }
    return copy;
  }

  private begin(cpu: number): void {
    const { dma } = this.machine;
    if (this.address[cpu] >= 0) {
      this.call[cpu] = dma.beginUnmapPage(cpu, cpu, this.address[cpu], this.bytes[cpu], Direction.BIDIRECTIONAL, 0);
      this.address[cpu] = -1;
      this.bytes[cpu] = 0;
    } else {
      this.bytes[cpu] = 1 + this.prng.below(3 * PAGE_SIZE);
      const buffer = 0x40000000 + cpu * 0x1000000 + this.prng.below(0x100000);
      this.call[cpu] = dma.beginMapPage(cpu, cpu, buffer, this.bytes[cpu], Direction.BIDIRECTIONAL, 0);
    }
  }

  private finish(cpu: number): void {
    const { dma } = this.machine;
    const result = dma.calls.result[this.call[cpu]];
    dma.end(this.call[cpu]);
    this.call[cpu] = -1;
    if (this.bytes[cpu] > 0) this.address[cpu] = result;
    for (const { index } of this.machine.domains) this.machine.noticeArmedTimers(index);
  }
}

describe.each(policies)('$name', (policy) => {
  test('calls of two CPUs, mixed step by step, leave nothing behind', () => {
    for (let seed = 0; seed < 20; seed++) {
      const machine = smallMachine(policy);
      const context = framesOutsideTables(machine);
      const drivers = new TwoDrivers(machine, seed);
      for (let step = 0; step < 600; step++) drivers.step();
      expect(machine.dma.calls.inFlight).toBeLessThanOrEqual(2);
      drivers.drain();
      machine.advanceTo(1e9);
      machine.removeDevices();
      expect([seed, machine.pool!.used, machine.dma.calls.inFlight, machine.frames.framesInUse]).toEqual([seed, 0, 0, context]);
      for (const { iovaPages, flushQueue } of machine.domains) expect([seed, iovaPages, flushQueue?.entries ?? 0]).toEqual([seed, 0, 0]);
    }
  });

  test('a state saved between two steps and restored, here or in another machine, goes on the same way', () => {
    for (let seed = 100; seed < 110; seed++) {
      const machine = smallMachine(policy);
      const drivers = new TwoDrivers(machine, seed);
      const before = new Prng(seed).below(300) + 20;
      for (let step = 0; step < before; step++) drivers.step();
      const state = machine.save();
      const hashes = machine.arenas.map((arena) => arena.hash());
      const other = smallMachine(policy);

      const goOn = (onto: TwoDrivers): unknown => {
        onto.machine.observations.clear();
        for (let step = 0; step < 300; step++) onto.step();
        onto.drain();
        onto.machine.advanceTo(2e9);
        return [observedRows(onto.machine.observations, ALL_KINDS), onto.machine.arenas.map((arena) => arena.hash())];
      };
      const again = drivers.copyFor(machine);
      const elsewhere = drivers.copyFor(other);
      const first = goOn(drivers);
      machine.restore(state);
      expect(machine.arenas.map((arena) => arena.hash())).toEqual(hashes);
      expect(goOn(again)).toEqual(first);
      other.restore(state);
      expect(goOn(elsewhere)).toEqual(first);
    }
  });
});

test('a step is what nextStep says, and a call that has no steps left returns', () => {
  const { dma } = smallMachine(bounceStrict);
  const steps = (call: number): DmaStep[] => {
    const names: DmaStep[] = [];
    for (;;) {
      names.push(dma.nextStep(call));
      if (dma.step(call)) return names;
    }
  };
  const map = dma.beginMapPage(0, 0, 0x5010, 60, Direction.FROM_DEVICE, 0);
  expect(steps(map)).toEqual([
    DmaStep.TAKE_SLOTS,
    DmaStep.COPY_IN,
    DmaStep.ZERO_PADDING,
    DmaStep.ALLOCATE_IOVA,
    DmaStep.WRITE_TABLE,
    DmaStep.FLUSH_MAP,
    DmaStep.RETURN,
  ]);
  const address = dma.calls.result[map];
  dma.end(map);
  expect(steps(dma.beginUnmapPage(0, 0, address, 60, Direction.FROM_DEVICE, 0))).toEqual([
    DmaStep.CLEAR_TABLE,
    DmaStep.SUBMIT_INVALIDATION,
    DmaStep.WAIT_INVALIDATION,
    DmaStep.FREE_TABLES,
    DmaStep.FREE_IOVA,
    DmaStep.COPY_OUT,
    DmaStep.FREE_SLOTS,
    DmaStep.RETURN,
  ]);
});

test('between clearing the table and the end of the wait the device still reaches the page, and the address is not reused', () => {
  const machine = smallMachine(strict);
  const { dma } = machine;
  const address = machine.dmaMapPage(0, 0, 0x40000000, PAGE_SIZE, Direction.TO_DEVICE);
  expect(machine.deviceAccess(0, address, false)).toBe(0x40000000);
  const unmap = dma.beginUnmapPage(0, 0, address, PAGE_SIZE, Direction.TO_DEVICE, 0);
  while (dma.nextStep(unmap) !== DmaStep.WAIT_INVALIDATION) {
    dma.step(unmap);
    expect(machine.deviceAccess(0, address, false)).toBe(0x40000000);
    const other = machine.dmaMapPage(1, 0, 0x50000000, PAGE_SIZE, Direction.TO_DEVICE);
    expect(other).not.toBe(address);
  }
  dma.step(unmap);
  expect(machine.deviceAccess(0, address, false)).toBeLessThan(0);
  dma.run(unmap);
  expect(machine.dmaMapPage(0, 0, 0x60000000, PAGE_SIZE, Direction.TO_DEVICE)).toBe(address);
});
