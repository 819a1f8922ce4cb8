import { Direction, dmaStepNames, type KernelRules, type ProtectionPolicy } from 'dmalab-core';
import { ActionKind, kindOfAction } from './action.ts';
import { ALL_REDUCTIONS, BufferState, CheckedMachine } from './checked-machine.ts';
import { bufferOfLabel, FOREIGN, ZEROED } from './labels.ts';
import type { Violation } from './properties/property.ts';
import { Reach } from './reach-table.ts';
import { deviceLetter, GRANULES_PER_PAGE, type SmallMachine } from './small-machine.ts';

/** One line of a counterexample. */
export interface NarratedStep {
  /** `cpu0`, `dev A`, `unit`, `timer A`, `other`. */
  readonly who: string;
  readonly does: string;
  /** Entries in the tables, and in the IOTLB, by which the hostile device reaches the page in question; `-` for none. */
  readonly table: string;
  readonly iotlb: string;
  /** Who has the slot or memory in question, and whose data lies there. */
  readonly place: string;
  /** `!` breaks the property, `*` shows the harm, `>` is where the policy that does better goes another way. */
  readonly mark: '' | '!' | '*' | '>';
  readonly remark: string;
}

export interface Narration {
  readonly steps: readonly NarratedStep[];
  readonly harm: string;
}

/** A policy that keeps what the other breaks, and differs in little. */
const SIBLINGS: Readonly<Record<string, string>> = {
  'bounce-lazy-unsafe': 'bounce-deferred',
  'bounce-link': 'bounce-partial',
  lazy: 'strict',
};

/** Most steps until a call under way has returned. */
const STEPS_MAX = 16;

/** Tells a list of actions in words, watching the device and the place of the violation at its end. */
export class Narrator {
  private readonly checked: CheckedMachine;
  private readonly violation: Violation;
  private readonly sibling: ProtectionPolicy | undefined;
  private readonly steps: NarratedStep[] = [];
  private siblingMarked = false;

  /** @param all  policies among which a better one may be */
  constructor(spec: SmallMachine, policy: ProtectionPolicy, kernel: KernelRules, violation: Violation, all: readonly ProtectionPolicy[]) {
    this.checked = new CheckedMachine(spec, policy, kernel, { ...ALL_REDUCTIONS, cachesEagerly: false });
    this.violation = violation;
    this.sibling = all.find(({ name }) => name === SIBLINGS[policy.name]);
  }

  tell(actions: readonly number[]): Narration {
    for (const [index, action] of actions.entries()) this.act(action, index === actions.length - 1);
    const harm = this.harm(actions.at(-1));
    return { steps: this.steps, harm };
  }

  private act(action: number, isLast: boolean): void {
    const { checked } = this;
    const kind = kindOfAction(action);
    const operand = action - kind;
    const isStart = kind === ActionKind.MAP || kind === ActionKind.UNMAP;
    const actor = kind === ActionKind.STEP ? operand : isStart ? operand & 3 : kind === ActionKind.TIMER ? checked.spec.cpus + operand : -1;
    const before = kind === ActionKind.STEP ? this.stepText(actor) : '';
    const buffer = kind === ActionKind.STEP ? checked.actorBusy[actor] - 1 : operand >> 2;
    const siblingDoes = isStart || kind === ActionKind.STEP ? this.siblingAt(actor, kind, buffer) : '';
    checked.perform(action);
    const ended = actor >= 0 && actor < checked.spec.cpus && checked.actorBusy[actor] === 0 ? ', returns' : '';
    const does = this.text(kind, operand, buffer, actor, before) + ended;
    let mark: NarratedStep['mark'] = isLast ? '!' : '';
    let remark = isLast ? `${this.violation.property} BROKEN` : '';
    if (siblingDoes !== '' && !isLast) {
      mark = '>';
      remark = `${this.sibling!.name}: ${siblingDoes}`;
    }
    this.push(this.who(kind, operand, actor), does, mark, remark);
  }

  private text(kind: ActionKind, operand: number, buffer: number, actor: number, before: string): string {
    const { spec } = this.checked;
    const name = spec.buffers[buffer]?.name ?? '';
    const coherent = spec.buffers[buffer]?.coherent === true;
    switch (kind) {
      case ActionKind.STEP:
        return actor < spec.cpus ? `${this.callName(buffer)}: ${before}` : before;
      case ActionKind.MAP:
        return `${coherent ? 'allocate' : 'map'} ${name}, ${sizeText(spec, buffer)}: ${this.firstStep}`;
      case ActionKind.UNMAP:
        return `${coherent ? 'free' : 'unmap'} ${name}: ${this.firstStep}`;
      case ActionKind.UNIT:
        return 'executes the next descriptor';
      case ActionKind.TIMER:
        return 'flush timer fires: submit flush';
      case ActionKind.GIVE:
        return `gets the memory of ${spec.buffers[operand].name}, writes to it`;
      case ActionKind.DEVICE_WRITE:
        return `writes to ${name}`;
      case ActionKind.SYNC_FOR_CPU:
        return `sync ${name} for cpu`;
      case ActionKind.SYNC_FOR_DEVICE:
        return `write to ${name}, sync for device`;
      case ActionKind.CACHE:
        return `uses ${hex(this.checked.reach.iovaPfn[operand])}`;
      case ActionKind.EVICT:
        return 'IOTLB drops an entry';
    }
  }

  /** Name of the first step of the call begun last: begun and stepped in one action. */
  private firstStep = '';

  private callName(buffer: number): string {
    const { bufferState, spec } = this.checked;
    const { name, coherent } = spec.buffers[buffer];
    const isMap = bufferState[buffer] === BufferState.MAPPING || bufferState[buffer] === BufferState.MAPPED;
    if (coherent) return `${isMap ? 'allocate' : 'free'} ${name}`;
    return `${isMap ? 'map' : 'unmap'} ${name}`;
  }

  private stepText(actor: number): string {
    const name = dmaStepNames[this.checked.nextStep(actor)];
    return name;
  }

  /** What the sibling would do in place of the step that comes next, once; empty when it does the same. */
  private siblingAt(actor: number, kind: ActionKind, buffer: number): string {
    const { checked, sibling } = this;
    const { policy, spec } = checked;
    const isBounced = policy.bounces(spec.buffers[Math.max(0, buffer)].offset, spec.buffers[Math.max(0, buffer)].bytes);
    const steps =
      kind === ActionKind.MAP ? (isBounced ? policy.mapBounced : policy.mapDirect) : isBounced ? policy.unmapBounced : policy.unmapDirect;
    if (kind === ActionKind.MAP || kind === ActionKind.UNMAP) {
      const list = spec.buffers[buffer].coherent ? (kind === ActionKind.MAP ? policy.mapDirect : policy.unmapCoherent) : steps;
      this.firstStep = list.length > 0 ? dmaStepNames[list[0]] : 'nothing to do';
    }
    if (sibling === undefined || this.siblingMarked || actor >= spec.cpus || spec.buffers[buffer].device !== this.violation.device)
      return '';
    const isUnmap = kind === ActionKind.UNMAP || checked.bufferState[buffer] === BufferState.UNMAPPING;
    if (!isUnmap || spec.buffers[buffer].coherent) return '';
    const position = kind === ActionKind.UNMAP ? 0 : checked.machine.dma.calls.position[actor];
    const own = isBounced ? policy.unmapBounced : policy.unmapDirect;
    const other = isBounced ? sibling.unmapBounced : sibling.unmapDirect;
    if (own[position] === other[position] || other[position] === undefined) return '';
    this.siblingMarked = true;
    return dmaStepNames[other[position]];
  }

  private who(kind: ActionKind, operand: number, actor: number): string {
    const { spec, reach } = this.checked;
    switch (kind) {
      case ActionKind.UNIT:
      case ActionKind.EVICT:
        return 'unit';
      case ActionKind.GIVE:
        return 'other';
      case ActionKind.CACHE:
        return `dev ${deviceLetter(reach.device[operand])}`;
      case ActionKind.DEVICE_WRITE:
        return `dev ${deviceLetter(spec.buffers[operand >> 2].device)}`;
      case ActionKind.SYNC_FOR_CPU:
      case ActionKind.SYNC_FOR_DEVICE:
        return 'cpu0';
      default:
        return actor < spec.cpus ? `cpu${actor}` : `timer ${deviceLetter(actor - spec.cpus)}`;
    }
  }

  private push(who: string, does: string, mark: NarratedStep['mark'], remark: string): void {
    this.steps.push({
      who,
      does,
      table: this.entries(Reach.VALID),
      iotlb: this.entries(Reach.CACHED),
      place: this.placeText(),
      mark,
      remark,
    });
  }

  /** Device addresses by which the hostile device reaches the page in question. */
  private entries(how: number): string {
    const { reach, machine } = this.checked;
    const { device, granule } = this.violation;
    if (granule < 0 || device < 0) return '-';
    if (machine.devices[device].domain === null) return how === Reach.VALID ? 'all memory' : '-';
    const page = Math.floor(granule / GRANULES_PER_PAGE);
    const found: string[] = [];
    for (let row = 0; row < reach.count; row++) {
      if (reach.device[row] === device && reach.page[row] === page && (reach.how[row] & how) !== 0) found.push(hex(reach.iovaPfn[row]));
    }
    return found.length === 0 ? '-' : found.join(' ');
  }

  private placeText(): string {
    const { checked } = this;
    const { granule } = this.violation;
    if (granule < 0) return '-';
    const held = dataText(checked, checked.memory.labels[granule]);
    if (granule < checked.poolGranules) {
      const holder = checked.holderOfGranule(granule);
      return `${holder < 0 ? 'free' : `${deviceLetter(holder)}`}: ${held}`;
    }
    const owner = checked.ownerOf[granule];
    if (owner < 0) return 'kernel';
    return `${checked.spec.buffers[owner].name} ${STATE_NAMES[checked.bufferState[owner]]}: ${held}`;
  }

  /** Goes on until it hurts: the device reads or writes what it must not. */
  private harm(last: number | undefined): string {
    const { checked, violation } = this;
    const { device, granule, property } = violation;
    if (device < 0) return '';
    const isGiven = granule >= 0 && granule < checked.poolGranules && checked.holderOfGranule(granule) !== device;
    if ((property === 'P3' || property === 'P1') && isGiven && last !== undefined) this.letReturn(last);
    const who = `dev ${deviceLetter(device)}`;
    if (property === 'P2') {
      this.push(who, 'writes to it', '*', `the CPU sees ${deviceLetter(device)}'s bytes`);
      return `device ${deviceLetter(device)} changes what the CPU sees of ${checked.spec.buffers[checked.ownerOf[granule]].name}`;
    }
    const data = dataText(checked, checked.memory.labels[granule]);
    if (!this.canRead()) {
      this.push(who, 'writes there', '*', `${data} OVERWRITTEN`);
      return `device ${deviceLetter(device)} overwrites ${data}`;
    }
    this.push(who, 'reads there', '*', `${deviceLetter(device)} READS ${data}`);
    return `device ${deviceLetter(device)} reads ${data}`;
  }

  private canRead(): boolean {
    const { reach } = this.checked;
    for (let row = 0; row < reach.count; row++) {
      if (reach.device[row] === this.violation.device && reach.page[row] === Math.floor(this.violation.granule / GRANULES_PER_PAGE)) {
        return (reach.rights[row] & 1) !== 0;
      }
    }
    return true;
  }

  /** The call that got the slot goes on alone, until its data lies there. */
  private letReturn(last: number): void {
    const kind = kindOfAction(last);
    const actor = kind === ActionKind.STEP ? last - kind : kind === ActionKind.MAP ? (last - kind) & 3 : -1;
    if (actor < 0) return;
    const before = this.checked.memory.labels[this.violation.granule];
    for (let count = 0; count < STEPS_MAX && this.checked.actorBusy[actor] !== 0; count++) {
      this.act(ActionKind.STEP + actor, false);
      if (this.checked.memory.labels[this.violation.granule] !== before) return;
    }
  }
}

const STATE_NAMES = ['unused', 'being mapped', 'mapped', 'being unmapped', 'unmapped', 'given away'];

function dataText({ spec }: CheckedMachine, label: number): string {
  if (label === ZEROED) return 'zeros';
  if (label === FOREIGN) return "somebody else's data";
  return `${spec.buffers[bufferOfLabel(label)].name}'s data`;
}

function sizeText(spec: SmallMachine, buffer: number): string {
  const { bytes, direction } = spec.buffers[buffer];
  const way = direction === Direction.TO_DEVICE ? 'to device' : direction === Direction.FROM_DEVICE ? 'from device' : 'both ways';
  return `${bytes} B ${way}`;
}

function hex(pfn: number): string {
  return pfn.toString(16);
}
