import { Direction, DMA_MAPPING_ERROR, Machine, Observed, Prng } from 'dmalab-core';
import { inferMachine, TraceFacts } from 'dmalab-trace';
import { recordedMachine } from '../replay/recorded-machine.ts';
import {
  allocText,
  bouncedText,
  descriptorText,
  flushAllText,
  flushRangeText,
  freeText,
  mapPageText,
  mapSgText,
  mapText,
  type Range,
  syncText,
  unmapPageText,
  unmapSgText,
  unmapText,
} from './kernel-lines.ts';
import { type TestMachine, testMachine } from './test-machine.ts';
import { type LineSource, lineText, softirq, task } from './trace-text.ts';

const PAGE = 4096;
/** A multiple of the tick of every HZ in use, so that timers fall due at the times at which calls are made. */
const TICK_US = 4000;
const MEMORY_START = 0x100000000;
const MEMORY_PAGES = 0x40000;
const DEVICE_MEMORY = 0xc0000000;

/** What an unmap has to be told. */
type Live =
  | {
      readonly kind: 'page' | 'resource';
      readonly device: number;
      readonly dmaAddr: number;
      readonly bytes: number;
      readonly direction: Direction;
    }
  | { readonly kind: 'alloc'; readonly device: number; readonly dmaAddr: number; readonly bytes: number }
  | {
      readonly kind: 'sg';
      readonly device: number;
      readonly phys: readonly number[];
      readonly segments: readonly Range[];
      readonly direction: Direction;
    };

/**
 * A machine under random DMA calls, and the lines that its kernel would print: calls on any CPU, each run to its end
 * before the next one begins, with the flush timers in between.
 *
 * It shows that replay and comparison agree with the engine, not that the engine is right.
 */
export class KernelSimulator {
  readonly machine: Machine;
  /** Lines so far, without the header. */
  readonly lines: string[] = [];
  private readonly test: TestMachine;
  private readonly random: Prng;
  private readonly live: Live[] = [];
  private nowUs = 5_000_000;

  constructor(test: TestMachine, seed: number) {
    this.test = test;
    this.random = new Prng(seed);
    const description = testMachine(test);
    this.machine = new Machine(recordedMachine(description, inferMachine(new TraceFacts(), description)).parameters);
    this.machine.advanceTo(this.nowUs * 1000);
  }

  /** Makes `calls` calls, most of them in bursts of maps and of unmaps. */
  run(calls: number): void {
    let left = 0;
    let mapping = true;
    for (let call = 0; call < calls; call++) {
      if (left === 0) {
        mapping = this.live.length < 20 || (!mapping && this.live.length < 400);
        left = 1 + this.random.below(this.random.chance(1, 8) ? 300 : 20);
      }
      left -= 1;
      if (this.random.chance(1, 25)) this.wait(1 + this.random.below(this.random.chance(1, 6) ? 60 : 4));
      if (mapping || this.live.length === 0) this.map();
      else if (this.random.chance(1, 10)) this.sync();
      else this.unmap();
    }
    this.wait(10);
  }

  private wait(ticks: number): void {
    this.nowUs += ticks * TICK_US;
    this.machine.advanceTo(this.nowUs * 1000);
    const { observations } = this.machine;
    for (let row = 0; row < observations.length; row++) this.printRow(row, softirq(observations.cpu[row], 100 + observations.cpu[row]));
    observations.clear();
  }

  private map(): void {
    const { random } = this;
    const device = random.below(this.machine.devices.length);
    const what = random.below(8);
    if (what === 0) this.mapSg(device);
    else if (what > 1) this.mapPage(device);
    else if (random.chance(1, 2)) this.alloc(device);
    else this.mapResource(device);
  }

  private mapPage(device: number): void {
    const { dma } = this.machine;
    const source = this.source();
    const { address, bytes } = this.buffer();
    const direction = this.random.below(3) as Direction;
    const dmaAddr = dma.run(dma.beginMapPage(source.cpu, device, address, bytes, direction, 0));
    this.printCall(source, device, mapPageText(this.nameOf(device), dmaAddr, bytes, address, direction));
    if (dmaAddr !== DMA_MAPPING_ERROR) this.live.push({ kind: 'page', device, dmaAddr, bytes, direction });
  }

  private mapResource(device: number): void {
    const { dma } = this.machine;
    const source = this.source();
    const phys = DEVICE_MEMORY + this.random.below(64) * 1024;
    const bytes = 4 + this.random.below(9000);
    const dmaAddr = dma.run(dma.beginMapResource(source.cpu, device, phys, bytes, Direction.BIDIRECTIONAL, 0));
    this.printCall(source, device, mapPageText(this.nameOf(device), dmaAddr, bytes, phys, 0, 'dma_map_resource'));
    if (dmaAddr !== DMA_MAPPING_ERROR) this.live.push({ kind: 'resource', device, dmaAddr, bytes, direction: Direction.BIDIRECTIONAL });
  }

  private alloc(device: number): void {
    const { dma } = this.machine;
    const source = this.source();
    const pages = 1 + this.random.below(6);
    const first = 1 + this.random.below(pages);
    const runs = [this.page(), this.page()];
    const bytes = [first * PAGE, (pages - first) * PAGE];
    const translated = this.machine.devices[device].policy.translated;
    const count = translated ? (first < pages ? 2 : 1) : 0;
    const asked = pages * PAGE - this.random.below(PAGE);
    const call = dma.beginAlloc(source.cpu, device, asked, Float64Array.from(runs), Float64Array.from(bytes), 0, count);
    const dmaAddr = dma.run(call);
    this.printCall(source, device, allocText(this.nameOf(device), dmaAddr === DMA_MAPPING_ERROR ? 0 : dmaAddr, asked));
    if (dmaAddr !== DMA_MAPPING_ERROR) this.live.push({ kind: 'alloc', device, dmaAddr, bytes: asked });
  }

  private mapSg(device: number): void {
    const { dma } = this.machine;
    const source = this.source();
    const entries = this.list();
    const phys = entries.map(({ address }) => address);
    const direction = this.random.below(3) as Direction;
    const lengths = Float64Array.from(entries, ({ bytes }) => bytes);
    const call = dma.beginMapSg(source.cpu, device, Float64Array.from(phys), lengths, 0, entries.length, direction, 0);
    while (!dma.step(call));
    const count = dma.calls.result[call];
    const first = call * dma.calls.entriesMax;
    const segments: Range[] = [];
    for (let row = first; row < first + count; row++) {
      segments.push({ address: dma.calls.entryDmaAddr[row], bytes: dma.calls.entryDmaBytes[row] });
    }
    dma.end(call);
    const mapped = count !== DMA_MAPPING_ERROR;
    this.printCall(source, device, mapped ? mapSgText(this.nameOf(device), phys, segments, direction) : undefined);
    if (mapped) this.live.push({ kind: 'sg', device, phys, segments, direction });
  }

  private unmap(): void {
    const { dma } = this.machine;
    const [mapping] = this.live.splice(this.random.below(this.live.length), 1);
    const { device } = mapping;
    const name = this.nameOf(device);
    const source = this.source();
    const { cpu } = source;
    switch (mapping.kind) {
      case 'page':
        dma.run(dma.beginUnmapPage(cpu, device, mapping.dmaAddr, mapping.bytes, mapping.direction, 0));
        this.printCall(source, device, unmapPageText(name, mapping.dmaAddr, mapping.bytes, mapping.direction));
        return;
      case 'resource':
        dma.run(dma.beginUnmapResource(cpu, device, mapping.dmaAddr, mapping.bytes, mapping.direction, 0));
        this.printCall(source, device, unmapPageText(name, mapping.dmaAddr, mapping.bytes, mapping.direction, 'dma_unmap_resource'));
        return;
      case 'alloc':
        this.printApi(source, freeText(name, mapping.dmaAddr, mapping.bytes));
        dma.run(dma.beginFree(cpu, device, mapping.dmaAddr, mapping.bytes));
        this.printCall(source, device, undefined);
        return;
      case 'sg': {
        const addresses = Float64Array.from(mapping.segments, ({ address }) => address);
        const bytes = Float64Array.from(mapping.segments, (segment) => segment.bytes);
        this.printApi(source, unmapSgText(name, mapping.phys, mapping.direction));
        dma.run(dma.beginUnmapSg(cpu, device, addresses, bytes, 0, addresses.length, mapping.direction, 0));
        this.printCall(source, device, undefined);
      }
    }
  }

  private sync(): void {
    const { dma } = this.machine;
    const mapping = this.live[this.random.below(this.live.length)];
    if (mapping.kind !== 'page' || this.machine.devices[mapping.device].skipsSync) return;
    const source = this.source();
    const forCpu = this.random.chance(1, 2);
    const { device, dmaAddr, bytes, direction } = mapping;
    if (forCpu) dma.syncSingleForCpu(source.cpu, device, dmaAddr, bytes, direction);
    else dma.syncSingleForDevice(source.cpu, device, dmaAddr, bytes, direction);
    this.printCall(source, device, syncText(this.nameOf(device), forCpu, dmaAddr, bytes, direction));
  }

  // ---- printing ----------------------------------------------------------------------------------------------

  /** What the call did, then its API line when that comes last. */
  private printCall(source: LineSource, device: number, apiText: string | undefined): void {
    const { machine } = this;
    for (let row = 0; row < machine.observations.length; row++) this.printRow(row, source);
    machine.observations.clear();
    if (apiText !== undefined) this.printApi(source, apiText);
    const { domain } = machine.devices[device];
    if (domain !== null) machine.noticeArmedTimers(domain.index);
  }

  private printApi(source: LineSource, text: string): void {
    if (this.test.kernel !== '6.1') this.lines.push(lineText(source, this.nowUs, text));
  }

  private printRow(row: number, source: LineSource): void {
    const text = this.rowText(row);
    if (text !== undefined) this.lines.push(lineText(source, this.machine.observations.timeNs[row] / 1000, text));
  }

  private rowText(row: number): string | undefined {
    const { kind, device, domain, a, b, c, d, e } = this.machine.observations;
    const tags = this.test.kernel !== '6.1';
    switch (kind[row]) {
      case Observed.MAPPED:
        return mapText(a[row], b[row], c[row]);
      case Observed.UNMAPPED:
        return unmapText(a[row], b[row], c[row]);
      case Observed.BOUNCED:
        return bouncedText(this.nameOf(device[row]), a[row], b[row], c[row] === 1 ? 'FORCE' : 'NORMAL');
      case Observed.DESCRIPTOR_SUBMITTED:
        return descriptorText(a[row], b[row], c[row], d[row]);
      case Observed.CACHE_TAG_FLUSH_RANGE:
      case Observed.CACHE_TAG_FLUSH_RANGE_NP:
        return tags
          ? flushRangeText(domain[row], a[row], b[row], c[row], e[row], kind[row] === Observed.CACHE_TAG_FLUSH_RANGE_NP)
          : undefined;
      case Observed.CACHE_TAG_FLUSH_ALL:
        return tags ? flushAllText(domain[row]) : undefined;
      default:
        return undefined;
    }
  }

  // ---- random choices ----------------------------------------------------------------------------------------

  /** A task that is pinned to its CPU. */
  private source(): LineSource {
    const cpu = this.random.below(this.test.cpus ?? 1);
    return task(100 + cpu, cpu);
  }

  private nameOf(device: number): string {
    return this.machine.devices[device].parameters.name;
  }

  private page(): number {
    return MEMORY_START + this.random.below(MEMORY_PAGES) * PAGE;
  }

  private buffer(): Range {
    const { random } = this;
    if (random.chance(1, 3)) return { address: this.page(), bytes: (1 + random.below(random.chance(1, 10) ? 40 : 3)) * PAGE };
    return { address: this.page() + random.below(PAGE), bytes: 1 + random.below(random.chance(1, 4) ? 30_000 : 2000) };
  }

  /** A scatter list as a block layer makes it: whole pages in the middle, some of them physically contiguous. */
  private list(): Range[] {
    const { random } = this;
    const count = 1 + random.below(8);
    const entries: Range[] = [];
    let previousEnd = this.page();
    for (let index = 0; index < count; index++) {
      const start = random.chance(1, 3) ? previousEnd : this.page();
      const address = index === 0 && random.chance(1, 3) ? start + random.below(PAGE / 512) * 512 : start;
      const end = start + (1 + random.below(3)) * PAGE;
      const bytes = end - address - (index === count - 1 && random.chance(1, 3) ? 512 : 0);
      entries.push({ address, bytes });
      previousEnd = end;
    }
    return entries;
  }
}
