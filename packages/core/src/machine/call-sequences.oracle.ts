import { Direction, PAGE_SIZE, type Prng } from '../base/index.ts';
import type { DmaSegment, Machine } from './machine.ts';

/** Drivers' memory is below this page: nobody's buffer lies in the bounce pool. */
const BUFFER_PAGES = 0x60000;

/** One thing that a driver holds. */
interface Held {
  readonly kind: 'page' | 'list' | 'resource' | 'coherent';
  readonly device: number;
  readonly segments: readonly DmaSegment[];
  readonly bytes: number;
  readonly direction: Direction;
}

/** A driver that maps and unmaps at random and remembers what it holds; it knows nothing of the engine's insides. */
export class RandomDriver {
  readonly held: Held[] = [];
  failed = 0;
  private readonly machine: Machine;
  private readonly prng: Prng;
  private readonly longest: number;

  /** @param longest  longest buffer, bytes */
  constructor(machine: Machine, prng: Prng, longest: number) {
    this.machine = machine;
    this.prng = prng;
    this.longest = longest;
  }

  act(): void {
    const { prng } = this;
    if (this.held.length > 0 && prng.chance(this.held.length, 40)) this.release(prng.below(this.held.length), this.cpu());
    else this.acquire();
    if (prng.chance(1, 20)) this.machine.advanceTo(this.machine.observations.nowNs + prng.below(20e6));
  }

  /** Gives everything back and lets all background work run. */
  finish(): void {
    while (this.held.length > 0) this.release(this.prng.below(this.held.length), this.cpu());
    this.machine.advanceTo(this.machine.observations.nowNs + 1e9);
  }

  private acquire(): void {
    const { machine, prng } = this;
    const device = prng.below(machine.devices.length);
    const direction = prng.below(3) as Direction;
    const cpu = this.cpu();
    const bytes = 1 + prng.below(this.longest);
    switch (prng.below(5)) {
      case 0: {
        const phys = prng.below(BUFFER_PAGES) * PAGE_SIZE;
        this.keep('coherent', device, machine.dmaAllocCoherent(cpu, device, phys, bytes), bytes, Direction.BIDIRECTIONAL);
        break;
      }
      case 1:
        this.keep('resource', device, machine.dmaMapResource(cpu, device, this.buffer(), bytes, direction), bytes, direction);
        break;
      case 2: {
        const phys = Array.from({ length: 1 + prng.below(12) }, () => this.buffer());
        const lengths = phys.map(() => (prng.chance(1, 2) ? PAGE_SIZE : 1 + prng.below(this.longest)));
        const segments = machine.dmaMapSg(cpu, device, phys, lengths, direction);
        if (segments.length === 0) this.failed += 1;
        else this.held.push({ kind: 'list', device, segments, bytes: 0, direction });
        break;
      }
      default:
        this.keep('page', device, machine.dmaMapPage(cpu, device, this.buffer(), bytes, direction), bytes, direction);
    }
  }

  private keep(kind: Held['kind'], device: number, address: number, bytes: number, direction: Direction): void {
    if (address < 0) this.failed += 1;
    else this.held.push({ kind, device, segments: [{ address, bytes }], bytes, direction });
  }

  private release(index: number, cpu: number): void {
    const { machine } = this;
    const { kind, device, segments, bytes, direction } = this.held[index];
    this.held[index] = this.held[this.held.length - 1];
    this.held.pop();
    const { address } = segments[0];
    if (kind === 'page') machine.dmaUnmapPage(cpu, device, address, bytes, direction);
    else if (kind === 'resource') machine.dmaUnmapResource(cpu, device, address, bytes, direction);
    else if (kind === 'coherent') machine.dmaFreeCoherent(cpu, device, address, bytes);
    else machine.dmaUnmapSg(cpu, device, segments, direction);
  }

  private buffer(): number {
    return this.prng.below(BUFFER_PAGES) * PAGE_SIZE + (this.prng.chance(1, 2) ? 0 : this.prng.below(PAGE_SIZE));
  }

  private cpu(): number {
    return this.prng.below(this.machine.parameters.onlineCpus);
  }
}

/** Frames of page tables that no domain has: context tables, and whatever leaked. */
export function framesOutsideTables({ frames, domains, tables }: Machine): number {
  let attached = 0;
  for (const { hardware } of domains) attached += tables!.tablesOf(hardware.row);
  return frames.framesInUse - attached;
}
