import { LabError } from 'dmalab-core';
import { ActionKind, kindOfAction } from './action.ts';
import { deviceLetter, type SmallMachine } from './small-machine.ts';

const PARTS = ['whole', 'first', 'last'];

/** An action as it stands in files: `map a1 cpu0`, `step cpu1`, `step timer A`, `unit`, `write a1 first`, `use 3`. */
export function actionText(spec: SmallMachine, action: number): string {
  const kind = kindOfAction(action);
  const operand = action - kind;
  const buffer = spec.buffers[operand >> 2]?.name ?? '';
  const part = PARTS[operand & 3];
  switch (kind) {
    case ActionKind.STEP:
      return operand < spec.cpus ? `step cpu${operand}` : `step timer ${deviceLetter(operand - spec.cpus)}`;
    case ActionKind.UNIT:
      return 'unit';
    case ActionKind.TIMER:
      return `timer ${deviceLetter(operand)}`;
    case ActionKind.MAP:
      return `map ${buffer} cpu${operand & 3}`;
    case ActionKind.UNMAP:
      return `unmap ${buffer} cpu${operand & 3}`;
    case ActionKind.GIVE:
      return `give ${spec.buffers[operand].name}`;
    case ActionKind.DEVICE_WRITE:
      return `write ${buffer} ${part}`;
    case ActionKind.SYNC_FOR_CPU:
      return `sync-for-cpu ${buffer} ${part}`;
    case ActionKind.SYNC_FOR_DEVICE:
      return `sync-for-device ${buffer} ${part}`;
    case ActionKind.CACHE:
      return `use ${operand}`;
    case ActionKind.EVICT:
      return `evict ${operand}`;
  }
}

/** @throws LabError CHK003 when the text names no action of this machine */
export function readAction(spec: SmallMachine, text: string): number {
  for (let action = 0; action < 256; action++) {
    const operand = action - kindOfAction(action);
    if (kindOfAction(action) >= ActionKind.MAP && kindOfAction(action) < ActionKind.GIVE && operand >> 2 >= spec.buffers.length) continue;
    if (kindOfAction(action) === ActionKind.GIVE && operand >= spec.buffers.length) continue;
    if (actionText(spec, action) === text) return action;
  }
  throw new LabError({
    code: 'CHK003',
    message: 'The counterexample has a step that this machine does not know.',
    expected: 'a step as dmalab check --json writes it, like "map a1 cpu0"',
    got: text,
    next: 'take a counterexample of this version of dmalab',
  });
}
