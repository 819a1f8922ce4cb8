import { ContextLevel, eventForm, NO_DIRECTION } from 'dmalab-trace';
import type { LineQueue } from '../replay/line-queue.ts';
import type { LifeEvent, LifeEventKind, MappingLife } from './explain-result.ts';

/** A life that the pass over the trace is still writing. */
export type OpenLife = {
  -readonly [Key in keyof MappingLife]: MappingLife[Key] extends readonly (infer Item)[] ? Item[] : MappingLife[Key];
} & {
  /** Address space, see AddressSpaces. */
  space: number;
  /** A bounce line that the next map line belongs to. */
  bounce: LifeEvent | null;
  /** The call that is making or ending it, -1 for none. */
  call: number;
};

const DIRECTIONS = ['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE'] as const;
const LEVELS = {
  [ContextLevel.TASK]: 'task',
  [ContextLevel.SOFTIRQ]: 'softirq',
  [ContextLevel.HARDIRQ]: 'hardirq',
  [ContextLevel.NMI]: 'nmi',
} as const;

/** A life of which nothing is known but the page. */
export function newLife(page: number, space: number): OpenLife {
  return {
    number: 0,
    page,
    device: null,
    kind: 'unknown',
    direction: null,
    dmaAddr: page,
    bytes: null,
    segments: 1,
    phys: null,
    tablePhys: null,
    bounced: false,
    mappedNs: null,
    mapLine: null,
    unmappedNs: null,
    unmapLine: null,
    endNotRecorded: false,
    endGuessed: false,
    translated: true,
    invalidation: null,
    lazy: false,
    lazyDueNs: null,
    syncsForCpu: 0,
    syncsForDevice: 0,
    events: [],
    reuses: [],
    space,
    bounce: null,
    call: -1,
  };
}

/** What line `seq` says of a mapping. */
export function lifeEvent(
  lines: LineQueue,
  seq: number,
  comms: { nameOf(index: number): string },
  kind: LifeEventKind,
  facts: Partial<LifeEvent> = {},
): LifeEvent {
  const at = seq & lines.mask;
  return {
    kind,
    event: eventForm(lines.kind[at]).name,
    line: lines.line[at],
    timeNs: lines.timeNs[at],
    cpu: lines.cpu[at],
    task: comms.nameOf(lines.comm[at]),
    pid: lines.pid[at],
    level: LEVELS[lines.level[at] as keyof typeof LEVELS] ?? 'task',
    ...facts,
  };
}

/** Name of a direction column, null when the line has none. */
export function directionName(direction: number): MappingLife['direction'] {
  return direction === NO_DIRECTION ? null : (DIRECTIONS[direction] ?? null);
}

/** The part of a life that a result keeps. */
export function finishedLife(life: OpenLife): MappingLife {
  const { space: _space, bounce: _bounce, call: _call, ...kept } = life;
  return kept;
}
