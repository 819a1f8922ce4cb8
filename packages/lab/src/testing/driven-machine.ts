import { type Direction, Machine, type ObservationLog, PAGE_SIZE, Prng, type ProtectionPolicy, pcMachine } from 'dmalab-core';

/** Drivers' memory is below this page: nobody's buffer lies in the bounce pool. */
const BUFFER_PAGES = 0x60000;

interface Held {
  readonly device: number;
  readonly address: number;
  readonly bytes: number;
  readonly direction: Direction;
}

/** A small PC whose drivers map, sync and unmap at random; the same seed makes the same calls under every policy. */
export class DrivenMachine {
  readonly machine: Machine;
  private readonly prng: Prng;
  private readonly held: Held[] = [];

  constructor(policies: readonly ProtectionPolicy[], seed: number) {
    this.machine = new Machine(pcMachine(policies, { memory: 'accounting', ringEntries: 8 }));
    this.prng = new Prng(seed);
  }

  /** Makes some calls and hands each call's observations over, before it clears them. */
  run(calls: number, observe: (log: ObservationLog) => void): void {
    const { observations } = this.machine;
    for (let call = 0; call < calls; call++) {
      this.act();
      observe(observations);
      observations.clear();
    }
  }

  private act(): void {
    const { machine, prng, held } = this;
    const cpu = prng.below(machine.parameters.onlineCpus);
    const action = prng.below(10);
    const later = prng.below(50_000);
    machine.advanceTo(machine.observations.nowNs + (prng.chance(1, 50) ? 20e6 : later));
    if (action < 5 || held.length === 0) {
      const device = prng.below(machine.devices.length);
      const direction = prng.below(3) as Direction;
      const bytes = 1 + prng.below(prng.chance(1, 8) ? 200_000 : 9000);
      const phys = prng.below(BUFFER_PAGES) * PAGE_SIZE + (prng.chance(1, 2) ? 0 : prng.below(PAGE_SIZE));
      const address = machine.dmaMapPage(cpu, device, phys, bytes, direction);
      if (address >= 0) held.push({ device, address, bytes, direction });
      return;
    }
    const index = prng.below(held.length);
    const { device, address, bytes, direction } = held[index];
    if (action < 6) {
      machine.dmaSyncSingleForCpu(cpu, device, address, bytes, direction);
    } else {
      machine.dmaUnmapPage(cpu, device, address, bytes, direction);
      held.splice(index, 1);
    }
  }
}
