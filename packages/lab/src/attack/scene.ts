import {
  type Cpu,
  DMA_MAPPING_ERROR,
  type DmaStep,
  dmaStepNames,
  type KernelRules,
  Machine,
  type MachineParameters,
  type Ns,
  PAGE_SIZE,
  type PhysAddr,
  Prng,
  type ProtectionPolicy,
  passthrough,
  pcMachine,
  SLOT_BYTES,
} from 'dmalab-core';
import { ATTACKER } from './actors.ts';
import { AttackDevice } from './attack-device.ts';
import type { Gain } from './gain.ts';
import type { Mapping, MapRequest } from './mapping.ts';
import { type Secret, SecretBook } from './secrets.ts';
import { bytesWord, hex, type StoryStep } from './story.ts';
import { TranslationPhases } from './translation-phases.ts';
import { WatchedMemory, type WatchedRange } from './watched-memory.ts';

/** Every action of a scene takes this much simulated time: an order of events, not a measurement. */
const STEP_NS: Ns = 1000;

/** Where the scene's memory begins; below the pool, and nothing that the machine uses. */
const FIRST_PHYS: PhysAddr = 0x10000000;

const FOUR_GIB = 2 ** 32;

/** Slots of the bounce pool, in an area per CPU: no script but those with a pool of their own takes more than a few. */
const POOL_SLOTS = 1024;
/** Beginning of the pool that holds old data. */
const RESIDUE_BYTES = 32 * SLOT_BYTES;
export const RESIDUE_LABEL = 'data of an earlier transfer in the bounce pool';

/** Under what conditions a scene is played. */
export interface SceneOptions {
  readonly policy: ProtectionPolicy;
  readonly kernel: KernelRules;
  readonly seed: number;
  /** False: the same script with a device that keeps to what its driver told it. */
  readonly hostile: boolean;
}

/** What a scene's machine has that others do not. */
export interface SceneShape {
  /** Size of the bounce pool in slots, in one area; default 1,024 slots in an area per CPU. */
  readonly slots?: number;
  /** Low address bits that a bounce address of the attacker must keep. */
  readonly minAlignMask?: number;
  /** The bystander is an old device without translation that reaches 4 GiB, and bounces what lies above. */
  readonly oldBystander?: boolean;
  /** Both devices are in one domain. */
  readonly sharedDomain?: boolean;
}

/**
 * A machine under one policy, with the driver calls and device accesses of a script written down as a story.
 *
 * Secrets are marked bytes, watched memory may not change: what the device gained or damaged is found in the bytes
 * themselves, whatever the script says.
 */
export class Scene {
  readonly policy: ProtectionPolicy;
  readonly kernel: KernelRules;
  readonly hostile: boolean;
  readonly machine: Machine;
  readonly device: AttackDevice;
  readonly secrets: SecretBook;
  readonly watched: WatchedMemory;
  readonly phases: TranslationPhases = new TranslationPhases();
  readonly steps: StoryStep[] = [];
  readonly gains: Gain[] = [];
  private nextPhys: PhysAddr = FIRST_PHYS;
  private quiet = false;

  constructor(options: SceneOptions, shape: SceneShape) {
    this.policy = options.policy;
    this.kernel = options.kernel;
    this.hostile = options.hostile;
    this.machine = new Machine(machineParameters(options, shape));
    this.secrets = new SecretBook(new Prng(options.seed));
    this.watched = new WatchedMemory(this.machine.memory);
    this.device = new AttackDevice(this);
    this.leaveResidue();
  }

  get nowNs(): Ns {
    return this.machine.observations.nowNs;
  }

  /** `pages` new pages of memory in a row. */
  newPages(pages: number = 1): PhysAddr {
    const phys = this.nextPhys;
    // A page between two runs stays free, so that no script depends on what lies behind its own.
    this.nextPhys += (pages + 1) * PAGE_SIZE;
    return phys;
  }

  /** Writes a step of the story down, without gain for the device. */
  say(who: string, text: string): void {
    this.note({ timeNs: this.nowNs, who, text, bytesRead: 0, bytesChanged: 0 });
  }

  /** Writes a step down, and lets its time pass. */
  note(step: StoryStep): void {
    if (!this.quiet || step.bytesRead > 0 || step.bytesChanged > 0) this.steps.push(step);
    this.passTime(STEP_NS);
  }

  /** Does something many times and writes it down once; damage is looked for at the end. */
  repeat(times: number, text: string, act: (index: number) => void): void {
    this.say('bystander', `${times} times: ${text}`);
    this.quiet = true;
    for (let index = 0; index < times; index++) act(index);
    this.quiet = false;
    this.collectDamage('driver', 'mapped');
  }

  /** Background work such as a flush timer runs meanwhile. */
  passTime(ns: Ns): void {
    this.machine.advanceTo(this.nowNs + ns);
    this.observe();
  }

  /** A CPU stores a secret of somebody at `phys`. */
  placeSecret(owner: string, label: string, phys: PhysAddr, bytes: number): Secret {
    const secret = this.secrets.create(owner, label, bytes);
    this.machine.memory.write(phys, this.secrets.contentOf(secret));
    this.say(owner, `stores ${bytesWord(bytes)} (${label}) at ${hex(phys)}`);
    return secret;
  }

  /** A CPU stores ordinary bytes. */
  store(phys: PhysAddr, bytes: number, value: number): void {
    this.machine.memory.write(phys, new Uint8Array(bytes).fill(value));
  }

  /** A CPU relies on what the range holds from now on. */
  watch(range: WatchedRange, because: string): void {
    this.watched.watch(range);
    this.say(range.owner, `${because} (${bytesWord(range.bytes)} at ${hex(range.phys)})`);
  }

  /** dma_map_page. @returns null when the mapping fails */
  map(request: MapRequest): Mapping | null {
    const { device, phys, bytes, direction, attrs = 0, cpu = 0, who, what } = request;
    const address = this.machine.dmaMapPage(cpu, device, phys, bytes, direction, attrs);
    this.observe();
    if (address === DMA_MAPPING_ERROR) {
      this.say(who, `cannot map ${what} (${bytesWord(bytes)} at ${hex(phys)}): no bounce slots are free`);
      return null;
    }
    const mapping = { device, phys, bytes, direction, attrs, address };
    if (device === ATTACKER) this.device.tell(mapping, request.toldBytes ?? bytes);
    this.say(who, `maps ${what}: ${bytesWord(bytes)} at ${hex(phys)}, device address ${hex(address)}`);
    return mapping;
  }

  /** dma_unmap_page. */
  unmap(who: string, mapping: Mapping, cpu: Cpu = 0): void {
    const { device, address, bytes, direction, attrs } = mapping;
    if (device === ATTACKER) this.device.complete(mapping);
    this.machine.dmaUnmapPage(cpu, device, address, bytes, direction, attrs);
    this.observe();
    this.say(who, `unmaps device address ${hex(address)}`);
    if (!this.quiet) this.collectDamage('driver', 'mapped');
  }

  /** dma_unmap_page, with other actors between any two of its steps. `between` is told the step just done. */
  unmapInSteps(who: string, mapping: Mapping, between: (step: DmaStep) => void): void {
    const { device, address, bytes, direction, attrs } = mapping;
    const { dma } = this.machine;
    if (device === ATTACKER) this.device.complete(mapping);
    const call = dma.beginUnmapPage(0, device, address, bytes, direction, attrs);
    this.say(who, `begins to unmap device address ${hex(address)}`);
    for (;;) {
      const step = dma.nextStep(call);
      const returned = dma.step(call);
      this.observe();
      if (returned) break;
      this.say(who, `unmap: ${dmaStepNames[step]}`);
      between(step);
    }
    dma.end(call);
    const { domain } = this.machine.devices[device];
    if (domain !== null) this.machine.noticeArmedTimers(domain.index);
    this.collectDamage('driver', 'mapped');
  }

  /** dma_sync_single_for_cpu of the first `bytes` of a mapping. */
  syncForCpu(who: string, mapping: Mapping, bytes: number): void {
    const { device, address, direction } = mapping;
    this.machine.dmaSyncSingleForCpu(0, device, address, bytes, direction);
    this.observe();
    this.say(who, `syncs ${bytesWord(bytes)} at device address ${hex(address)} for the CPU`);
    this.collectDamage('driver', 'mapped');
  }

  /** A CPU hands memory on: secrets of others in it are gained by whoever asked for it. */
  handOver(who: string, text: string, phys: PhysAddr, bytes: number): void {
    const content = new Uint8Array(bytes);
    this.machine.memory.read(phys, content);
    this.device.noteLoot(who, text, content, 'mapped', -1);
  }

  /** Looks whether watched memory has changed, and writes that down as damage by the device. */
  collectDamage(by: Gain['by'], phase: Gain['phase'], afterUnmapNs: Ns = -1): number {
    let bytes = 0;
    for (const damage of this.watched.takeDamage()) {
      const { owner, label } = damage.range;
      const timeNs = this.nowNs;
      this.gains.push({ kind: 'changed', owner, label, bytes: damage.bytes, phase, by, timeNs, afterUnmapNs });
      bytes += damage.bytes;
      if (by === 'driver') {
        const text = `finds ${bytesWord(damage.bytes)} of ${label} changed: the copy-out wrote over them`;
        this.note({ timeNs, who: owner, text, bytesRead: 0, bytesChanged: damage.bytes });
      }
    }
    return bytes;
  }

  /** Earlier transfers of other devices have left their data in the slots that are taken first. */
  private leaveResidue(): void {
    const { memory, pool } = this.machine;
    if (pool === null) return;
    const residue = this.secrets.create('bystander', RESIDUE_LABEL, RESIDUE_BYTES);
    memory.write(pool.start, this.secrets.contentOf(residue));
  }

  private observe(): void {
    const log = this.machine.observations;
    this.phases.observe(log);
    log.clear();
  }
}

function machineParameters({ policy, kernel }: SceneOptions, shape: SceneShape): MachineParameters {
  const { slots, minAlignMask = 0 } = shape;
  const parameters = pcMachine([policy, shape.oldBystander === true ? passthrough : policy], { kernel });
  const [attacker, bystander] = parameters.devices;
  const domain = shape.sharedDomain === true ? attacker.domain : bystander.domain;
  const dmaMask = shape.oldBystander === true ? FOUR_GIB - 1 : bystander.dmaMask;
  return {
    ...parameters,
    devices: [
      { ...attacker, minAlignMask },
      { ...bystander, domain, dmaMask },
    ],
    domains: shape.sharedDomain === true ? parameters.domains.slice(0, 1) : parameters.domains,
    swiotlb: { ...parameters.swiotlb!, ...(slots === undefined ? { slots: POOL_SLOTS } : { slots, areas: 1 }) },
  };
}
