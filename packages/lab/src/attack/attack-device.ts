import { Direction, Observed, PAGE_SIZE, type PhysAddr, roundDown, roundUp } from 'dmalab-core';
import { ATTACKER } from './actors.ts';
import type { Mapping } from './mapping.ts';
import type { Scene } from './scene.ts';
import { MARK_BYTES, type Secret } from './secrets.ts';
import { bytesWord, hex } from './story.ts';
import type { AccessPhase } from './translation-phases.ts';

/** What an access without gain has met; the reasons why an attack was stopped. */
export type Obstacle =
  | 'refused: never mapped'
  | 'refused: invalidated'
  | 'refused: no right'
  | 'slot read'
  | 'slot written'
  | 'own memory'
  | 'no translated requests';

/** What the driver has told its device. */
interface Told {
  readonly mapping: Mapping;
  readonly bytes: number;
  completed: boolean;
}

/** One access: where it ended. */
interface Reach {
  /** Bytes that went through. */
  readonly done: number;
  readonly phase: AccessPhase;
  readonly afterUnmapNs: number;
  /** Reason code of the unit, 0 when nothing was refused. */
  readonly reason: number;
}

/** What the device writes when it is asked to, and when it is not. */
const DELIVERED = 0x11;
const FORGED = 0xee;

/**
 * The device under attack scripts. Hostile, it does what the script says: it reads and writes any address, keeps old
 * ones, withholds completions, lies about lengths. Honest, it does of the same script only what its driver asked for:
 * accesses inside the buffers that it was told, in their direction, until it has reported them done.
 */
export class AttackDevice {
  /** What stood in the way of accesses that brought nothing. */
  readonly obstacles: Set<Obstacle> = new Set();
  /** Latest time after an unmap at which an access still went through, 0 when none did. */
  reachedAfterUnmapNs = 0;
  private readonly scene: Scene;
  private readonly told: Told[] = [];
  /** Marks that it already has. */
  private readonly known: Map<Secret, Set<number>> = new Map();

  constructor(scene: Scene) {
    this.scene = scene;
  }

  /** The driver hands it a buffer. */
  tell(mapping: Mapping, bytes: number): void {
    this.told.push({ mapping, bytes, completed: false });
  }

  /** It reports a buffer done; an honest device does not touch it any more. */
  complete(mapping: Mapping): void {
    for (const told of this.told) if (told.mapping === mapping) told.completed = true;
  }

  /** Address at which the device looks for `phys`: relative to a mapping, or physical where nothing is translated. */
  addressOf(mapping: Mapping, phys: PhysAddr): number {
    return this.scene.policy.translated ? mapping.address + (phys - mapping.phys) : phys;
  }

  /** Reads from `address` on. @returns bytes of others that it did not have yet */
  read(address: number, bytes: number, purpose: string): number {
    let gained = 0;
    for (const part of this.permitted(address, bytes, false)) {
      const content = new Uint8Array(part.bytes);
      const reach = this.access(part.address, content, false);
      const text = `reads ${bytesWord(part.bytes)} at ${hex(part.address)}, ${purpose}`;
      gained += this.noteLoot('device', `${text}: ${refusalText(reach)}`, content.subarray(0, reach.done), reach.phase, reach.afterUnmapNs);
      if (gained === 0) this.meet(part.address, reach, false);
    }
    return gained;
  }

  /** Writes forged bytes from `address` on. @returns bytes of others that changed */
  write(address: number, bytes: number, purpose: string): number {
    let changed = 0;
    for (const part of this.permitted(address, bytes, true)) {
      const timeNs = this.scene.nowNs;
      const reach = this.access(part.address, new Uint8Array(part.bytes).fill(FORGED), true);
      const bytesChanged = this.scene.collectDamage('device', reach.phase, reach.afterUnmapNs);
      const outcome = bytesChanged > 0 ? `${bytesWord(bytesChanged)} that are not its own have changed` : refusalText(reach) || 'done';
      const text = `writes ${bytesWord(part.bytes)} at ${hex(part.address)}, ${purpose}: ${outcome}`;
      this.scene.note({ timeNs, who: 'device', text, bytesRead: 0, bytesChanged });
      if (bytesChanged === 0) this.meet(part.address, reach, true);
      changed += bytesChanged;
    }
    return changed;
  }

  /** Does what it was asked for: puts `bytes` bytes into its buffer. Nothing is told of it but that it happened. */
  deliver(mapping: Mapping, bytes: number, what: string): void {
    this.scene.machine.deviceWrite(ATTACKER, mapping.address, new Uint8Array(bytes).fill(DELIVERED));
    this.scene.say('device', `puts ${what} of ${bytesWord(bytes)} into its buffer`);
  }

  /** Does what it was asked for: reads the first `bytes` bytes of its buffer. */
  fetch(mapping: Mapping, bytes: number, what: string): void {
    this.scene.machine.deviceRead(ATTACKER, mapping.address, new Uint8Array(bytes));
    this.scene.say('device', `fetches ${what} of ${bytesWord(bytes)} from its buffer`);
  }

  /** Reads all of the pages that hold a mapping. */
  readPagesOf(mapping: Mapping): number {
    const { first, bytes } = this.pagesOf(mapping);
    return this.read(first, bytes, `all of the pages of its buffer of ${bytesWord(mapping.bytes)}`);
  }

  /** Writes over all of the pages that hold a mapping, the mapping itself left out. */
  overwritePagesOf(mapping: Mapping): number {
    const { first, bytes } = this.pagesOf(mapping);
    const start = this.scene.policy.translated ? mapping.address : mapping.phys;
    const end = start + mapping.bytes;
    let changed = 0;
    if (start > first) changed += this.write(first, start - first, 'what lies before its buffer in the page');
    if (first + bytes > end) changed += this.write(end, first + bytes - end, 'what lies behind its buffer in the page');
    return changed;
  }

  /** Whether it still gets through to an address that it has used before; the answer is written down once it is no. */
  stillReaches(address: number): boolean {
    const { machine, phases, hostile } = this.scene;
    const { domain } = machine.devices[ATTACKER];
    if (!hostile || domain === null) return false;
    const reached = machine.deviceAccess(ATTACKER, address, true) >= 0;
    const unmappedNs = phases.unmappedNs(domain.id, address);
    if (reached && unmappedNs >= 0) this.reachedAfterUnmapNs = this.scene.nowNs - unmappedNs;
    if (!reached && this.reachedAfterUnmapNs > 0) {
      const ms = (this.reachedAfterUnmapNs / 1e6).toFixed(1);
      this.scene.say('device', `is refused at ${hex(address)} from now on; it still got through ${ms} ms after the unmap`);
    }
    return reached;
  }

  /** An ATS device claims that `phys` is already translated. @returns bytes of others that it did not have yet */
  readTranslated(phys: number, bytes: number, purpose: string): number {
    const { machine, hostile } = this.scene;
    if (!hostile) return 0;
    const text = `claims that ${hex(phys)} is already translated and reads ${bytesWord(bytes)}, ${purpose}`;
    const { parameters, domain } = machine.devices[ATTACKER];
    // Linux leaves ATS off for untrusted devices (pci_ats_supported()), and the unit refuses what their context does not permit.
    if (domain !== null && parameters.untrusted) {
      this.scene.say('device', `${text}: refused (fault reason 0x0d), ATS is off for an untrusted device`);
      this.obstacles.add('no translated requests');
      return 0;
    }
    const content = new Uint8Array(bytes);
    machine.memory.read(phys, content);
    return this.noteLoot('device', `${text}: `, content, domain === null ? 'not translated' : 'claimed translated', -1);
  }

  /** Looks for secrets in what somebody has got, and writes the step down. @returns bytes that were not known yet */
  noteLoot(who: string, text: string, content: Uint8Array, phase: AccessPhase, afterUnmapNs: number): number {
    const timeNs = this.scene.nowNs;
    const found: string[] = [];
    let gained = 0;
    for (const [secret, marks] of this.scene.secrets.marksIn(content)) {
      const known = this.known.get(secret) ?? new Set();
      this.known.set(secret, known);
      const before = known.size;
      for (const mark of marks) known.add(mark);
      const bytes = (known.size - before) * MARK_BYTES;
      if (bytes === 0) continue;
      gained += bytes;
      const { owner, label } = secret;
      found.push(`${bytesWord(bytes)} of ${label} (${owner})`);
      const by = who === 'device' ? 'device' : 'driver';
      this.scene.gains.push({ kind: 'read', owner, label, bytes, phase, by, timeNs, afterUnmapNs });
    }
    const outcome = found.length > 0 ? `gets ${found.join(', ')}` : 'nothing foreign in it';
    const refused = content.length === 0;
    this.scene.note({ timeNs, who, text: refused ? text : text + outcome, bytesRead: gained, bytesChanged: 0 });
    return gained;
  }

  private pagesOf(mapping: Mapping): { first: number; bytes: number } {
    const start = this.scene.policy.translated ? mapping.address : mapping.phys;
    const first = roundDown(start, PAGE_SIZE);
    return { first, bytes: roundUp(start + mapping.bytes, PAGE_SIZE) - first };
  }

  /** All of an access for a hostile device; for an honest one the parts that it was asked for. */
  private permitted(address: number, bytes: number, isWrite: boolean): { address: number; bytes: number }[] {
    if (this.scene.hostile) return [{ address, bytes }];
    return this.told.flatMap(({ mapping, bytes: toldBytes, completed }) => {
      const forbidden = isWrite ? Direction.TO_DEVICE : Direction.FROM_DEVICE;
      const start = Math.max(address, mapping.address);
      const end = Math.min(address + bytes, mapping.address + toldBytes);
      return completed || mapping.direction === forbidden || end <= start ? [] : [{ address: start, bytes: end - start }];
    });
  }

  private access(address: number, buffer: Uint8Array, isWrite: boolean): Reach {
    const { machine, phases } = this.scene;
    const { domain } = machine.devices[ATTACKER];
    const phase: AccessPhase = domain === null ? 'not translated' : phases.phaseOf(domain.id, address);
    const unmappedNs = domain === null ? -1 : phases.unmappedNs(domain.id, address);
    const log = machine.observations;
    const firstRow = log.length;
    const done = isWrite ? machine.deviceWrite(ATTACKER, address, buffer) : machine.deviceRead(ATTACKER, address, buffer);
    let reason = 0;
    for (let row = firstRow; row < log.length; row++) if (log.kind[row] === Observed.FAULTED) reason = log.b[row];
    return { done, phase, afterUnmapNs: unmappedNs < 0 ? -1 : this.scene.nowNs - unmappedNs, reason };
  }

  /** Remembers what an access without gain has met. */
  private meet(address: number, reach: Reach, isWrite: boolean): void {
    const { machine } = this.scene;
    if (reach.done === 0) {
      const refusals = { 'never mapped': 'refused: never mapped', invalidated: 'refused: invalidated' } as const;
      this.obstacles.add(reach.phase === 'never mapped' || reach.phase === 'invalidated' ? refusals[reach.phase] : 'refused: no right');
      return;
    }
    const phys = machine.deviceAccess(ATTACKER, address, isWrite);
    const slot = isWrite ? 'slot written' : 'slot read';
    this.obstacles.add(machine.pool?.contains(phys) === true ? slot : 'own memory');
  }
}

function refusalText({ done, reason, phase }: Reach): string {
  if (reason === 0) return '';
  const after = done === 0 ? 'refused' : `refused after ${bytesWord(done)}`;
  return `${after}, fault reason 0x${reason.toString(16).padStart(2, '0')} (${phase})`;
}
