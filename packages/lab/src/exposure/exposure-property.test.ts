import {
  bounceDeferred,
  bounceStrict,
  Direction,
  type KernelRules,
  lazy,
  type MachineParameters,
  PAGE_SIZE,
  Prng,
  type ProtectionPolicy,
  pciDevice,
  pcMachine,
  policies,
  shadow,
  strict,
} from 'dmalab-core';
import { describe, expect, test } from 'vitest';
import { AuditedMachine, type HeldMapping } from '../testing/audited-machine.ts';
import { ExposureOracle, keyOf } from './exposure.oracle.ts';
import { ExposureAuditor } from './exposure-auditor.ts';
import { AccessKind, ExposureMeasure } from './exposure-class.ts';
import { WindowKind } from './stale-windows.ts';

const CALLS = 60;
/** Buffers lie on so few pages that mappings meet on them. */
const PAGES = 6;
const MEMORY = 0x100000;
const LENGTHS = [1, 64, 900, 2048, 2500, 4096, 5000, 8192, 9000];
const DIRECTIONS = [Direction.BIDIRECTIONAL, Direction.TO_DEVICE, Direction.FROM_DEVICE];

interface Shape {
  readonly name: string;
  readonly kernel: KernelRules;
  readonly devices: readonly ProtectionPolicy[];
  readonly minAlignMask?: number;
  /** Both devices in one domain. */
  readonly shared?: boolean;
}

const translated = policies.filter((policy) => policy.translated);
/** One of each way to unmap and to keep slots. */
const few = [strict, lazy, bounceStrict, bounceDeferred, shadow];
const passthrough = policies.find((policy) => !policy.translated)!;
const shapes: readonly Shape[] = [
  ...translated.map((policy): Shape => ({ name: policy.name, kernel: '6.12', devices: [policy, policy] })),
  ...translated.map((policy, index): Shape => {
    const other = translated[(index + 1) % translated.length];
    return { name: `${policy.name} beside ${other.name} and passthrough`, kernel: '6.12', devices: [policy, other, passthrough] };
  }),
  ...few.map((policy): Shape => ({ name: `${policy.name} in one domain`, kernel: '6.12', devices: [policy, policy], shared: true })),
  ...few.map((policy): Shape => ({ name: `${policy.name} under 6.1`, kernel: '6.1', devices: [policy, policy], minAlignMask: 1023 })),
];

function parametersOf({ kernel, devices, shared, minAlignMask }: Shape): MachineParameters {
  let domains = 0;
  const parameters = devices.map((policy, index) => {
    const domain = shared === true ? 0 : policy.translated ? domains++ : -1;
    return { ...pciDevice(index, policy, domain), untrusted: true, minAlignMask: minAlignMask ?? 0 };
  });
  return pcMachine(devices, {
    kernel,
    devices: parameters,
    domains: Array.from({ length: shared === true ? 1 : domains }, () => ({ reserved: [] })),
    memory: 'accounting',
    ringEntries: 8,
    swiotlb: { start: 0x7bfd7000, slots: 64, areas: 1, forced: false },
  });
}

/** Does one thing at random. */
class RandomWork {
  readonly held: HeldMapping[] = [];
  private readonly audited: AuditedMachine;
  private readonly prng: Prng;
  private readonly afterEach: () => void;

  constructor(audited: AuditedMachine, prng: Prng, afterEach: () => void = () => {}) {
    this.audited = audited;
    this.prng = prng;
    this.afterEach = afterEach;
  }

  act(): void {
    const { prng, audited } = this;
    if (prng.chance(1, 3)) {
      audited.wait(prng.chance(1, 4) ? prng.below(16e6) : prng.below(1000));
      this.afterEach();
    }
    if (this.held.length > 0 && prng.chance(this.held.length, 12)) this.release();
    else this.acquire();
    this.afterEach();
  }

  private release(): void {
    const { prng, held } = this;
    const [mapping] = held.splice(prng.below(held.length), 1);
    // Now and then a driver forgets how much it mapped.
    const wrong = !mapping.isList && mapping.memory === 2 && prng.chance(1, 4);
    this.audited.unmap(mapping, prng.below(2), wrong ? Math.max(1, mapping.bytes - PAGE_SIZE) : mapping.bytes);
  }

  private acquire(): void {
    const { prng, audited } = this;
    const device = prng.below(audited.machine.devices.length);
    const cpu = prng.below(2);
    const direction = DIRECTIONS[prng.below(3)];
    let made: HeldMapping | undefined;
    switch (prng.below(6)) {
      case 0:
        made = audited.allocate(device, MEMORY + prng.below(PAGES) * PAGE_SIZE, this.length(), cpu);
        break;
      case 1:
        made = audited.mapResource(device, this.address(), this.length(), direction, cpu);
        break;
      case 2: {
        const count = 1 + prng.below(4);
        const phys = Array.from({ length: count }, () => this.address());
        made = audited.mapList(
          device,
          phys,
          phys.map(() => this.length()),
          direction,
          cpu,
        );
        break;
      }
      default:
        made = audited.mapPage(device, this.address(), this.length(), direction, cpu);
    }
    if (made !== undefined) this.held.push(made);
  }

  private address(): number {
    const page = MEMORY + this.prng.below(PAGES) * PAGE_SIZE;
    return this.prng.chance(1, 2) ? page : page + this.prng.below(PAGE_SIZE / 64) * 64;
  }

  private length(): number {
    return LENGTHS[this.prng.below(LENGTHS.length)];
  }
}

function figuresOf(auditor: ExposureAuditor, devices: number): Record<string, number> {
  const figures: Record<string, number> = {};
  for (let device = 0; device < devices; device++) {
    for (const [accessName, access] of Object.entries(AccessKind)) {
      for (const [name, measure] of Object.entries(ExposureMeasure)) {
        figures[`${device} ${accessName} ${name} peak`] = auditor.meter.bytesPeak(device, access, measure);
        figures[`${device} ${accessName} ${name} byte-ns`] = auditor.meter.byteNanoseconds(device, access, measure);
      }
    }
    const { reuses } = auditor;
    figures[`${device} reuse same`] = reuses.sameDevice[device];
    figures[`${device} reuse same bytes`] = reuses.sameDeviceBytes[device];
    figures[`${device} reuse other`] = reuses.otherDevice[device];
    figures[`${device} reuse other bytes`] = reuses.otherDeviceBytes[device];
    for (const [name, kind] of Object.entries(WindowKind)) {
      for (const [field, value] of Object.entries(auditor.windows.totalsOf(device, kind)))
        figures[`${device} window ${name} ${field}`] = value;
    }
  }
  return figures;
}

function figuresOfOracle(oracle: ExposureOracle, devices: number): Record<string, number> {
  const figures: Record<string, number> = {};
  for (let device = 0; device < devices; device++) {
    for (const [accessName, access] of Object.entries(AccessKind)) {
      for (const [name, measure] of Object.entries(ExposureMeasure)) {
        const key = keyOf(device, access, measure);
        figures[`${device} ${accessName} ${name} peak`] = oracle.peak.get(key) ?? 0;
        figures[`${device} ${accessName} ${name} byte-ns`] = oracle.byteNs.get(key) ?? 0;
      }
    }
    for (const who of ['same', 'other']) {
      figures[`${device} reuse ${who}`] = oracle.reuse.get(`${device} ${who}`) ?? 0;
      figures[`${device} reuse ${who} bytes`] = oracle.reuse.get(`${device} ${who} bytes`) ?? 0;
    }
    for (const [name, kind] of Object.entries(WindowKind)) {
      const totals = oracle.windows.get(`${device} ${kind}`);
      for (const field of ['windows', 'longestNs', 'longestLine', 'longestSinceNs', 'totalNs', 'windowsInCall', 'pagesInCall'] as const) {
        figures[`${device} window ${name} ${field}`] = totals?.[field] ?? 0;
      }
    }
  }
  return figures;
}

const inOrder = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort();

describe.each(shapes)('$name', (shape) => {
  test.each(shape.devices.length === 2 && shape.shared !== true ? [1, 2] : [1])(
    'every figure is that of the oracle, which looks at each byte (seed %i)',
    (seed) => {
      let auditor!: ExposureAuditor;
      let oracle!: ExposureOracle;
      const audited = new AuditedMachine(parametersOf(shape), (machine) => {
        auditor = new ExposureAuditor(machine, { kept: 10_000 });
        oracle = new ExposureOracle(machine);
        return [auditor, oracle];
      });
      audited.machine.advanceTo(5e9);
      const work = new RandomWork(audited, new Prng(seed));
      for (let call = 0; call < CALLS; call++) work.act();
      const devices = shape.devices.length;
      const tables = audited.machine.domains.map(({ id, hardware }) =>
        [...oracle.entries.get(id)!].filter(([iovaPfn, { pfn }]) => hardware.lookup(iovaPfn) !== pfn),
      );
      expect(tables.flat()).toEqual([]);
      audited.finish();
      expect(figuresOf(auditor, devices)).toEqual(figuresOfOracle(oracle, devices));
      const domainOf = (device: number): number | undefined => audited.machine.devices[device].domain?.index;
      const separable = oracle.met.filter(
        ({ device, otherDevice }) => domainOf(device) === undefined || domainOf(device) !== domainOf(otherDevice),
      );
      expect(inOrder(auditor.coLocations.worst)).toEqual(inOrder(separable));
      expect(inOrder(auditor.coLocations.pairs)).toEqual(inOrder(oracle.pairs));
    },
  );
});

test.each(translated)('$name: the model of the hardware lets through what the oracle calls reachable, and nothing else', (policy) => {
  let oracle!: ExposureOracle;
  // A full ring would flush in the middle of a call, which makes the unit forget pages that are only then unmapped.
  const parameters = { ...parametersOf({ name: '', kernel: '6.12', devices: [policy, policy] }), ringEntries: 256 };
  const audited = new AuditedMachine(parameters, (machine) => {
    oracle = new ExposureOracle(machine);
    return [oracle];
  });
  const { machine } = audited;
  const seen = machine.domains.map(() => new Set<number>());
  // Reaches every page that was ever mapped, so that the unit caches all that it can.
  const access = (): void => {
    for (const { id, index } of machine.domains) {
      const entries = oracle.entries.get(id)!;
      const stale = new Set(oracle.stale.filter(({ domainId }) => domainId === id).map(({ iovaPfn }) => iovaPfn));
      for (const iovaPfn of entries.keys()) seen[index].add(iovaPfn);
      for (const iovaPfn of seen[index]) {
        const isReached = machine.deviceAccess(index, (iovaPfn * PAGE_SIZE) as never, false) >= 0;
        expect([audited.line, iovaPfn, isReached]).toEqual([audited.line, iovaPfn, entries.has(iovaPfn) || stale.has(iovaPfn)]);
      }
    }
    machine.observations.clear();
  };
  const work = new RandomWork(audited, new Prng(17), access);
  for (let call = 0; call < 2 * CALLS; call++) work.act();
});
