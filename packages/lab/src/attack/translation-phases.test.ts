import { bounceStrict, Direction, lazy, Machine, type ProtectionPolicy, pcMachine, strict } from 'dmalab-core';
import { describe, expect, test } from 'vitest';
import { TranslationPhases } from './translation-phases.ts';

/** Phases of one page along its life, with the machine that it lives in. */
function lifeUnder(policy: ProtectionPolicy): { phases: () => string; machine: Machine; map: () => void; unmap: () => void } {
  const machine = new Machine(pcMachine([policy]));
  const phases = new TranslationPhases();
  let address = 0xfffff000;
  return {
    machine,
    phases: () => {
      phases.observe(machine.observations);
      machine.observations.clear();
      return phases.phaseOf(machine.devices[0].domain!.id, address);
    },
    map: () => {
      address = machine.dmaMapPage(0, 0, 0x10000000, 100, Direction.TO_DEVICE);
    },
    unmap: () => machine.dmaUnmapPage(0, 0, address, 100, Direction.TO_DEVICE),
  };
}

describe('the phases of a translation', () => {
  test.each([strict, bounceStrict])('$name: mapped, then invalidated', (policy) => {
    const life = lifeUnder(policy);
    expect(life.phases()).toBe('never mapped');
    life.map();
    expect(life.phases()).toBe('mapped');
    life.unmap();
    expect(life.phases()).toBe('invalidated');
    life.map();
    expect(life.phases()).toBe('mapped');
  });

  test('lazy: still cached until the flush timer has fired', () => {
    const life = lifeUnder(lazy);
    life.map();
    life.unmap();
    expect(life.phases()).toBe('unmapped, still cached');
    life.machine.advanceTo(11e6);
    expect(life.phases()).toBe('unmapped, still cached');
    life.machine.advanceTo(20e6);
    expect(life.phases()).toBe('invalidated');
  });
});
