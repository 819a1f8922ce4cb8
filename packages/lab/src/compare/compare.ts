import { FIRST_DOMAIN_ID, LabError, type ProtectionPolicy } from 'dmalab-core';
import { EventKind } from 'dmalab-trace';
import type { CostProfile } from '../cost/cost-profile.ts';
import { type ExposureFigures, exposureFigures } from '../exposure/exposure-figures.ts';
import { type RecordedDevice, type RecordedMachine, recordedPolicy } from '../replay/recorded-machine.ts';
import type { Recording } from '../replay/recording.ts';
import { recordingFacts } from '../replay/recording-facts.ts';
import { isUserPolicy } from '../user-policy/user-policy.ts';
import { userPolicyRow } from '../user-policy/user-policy-row.ts';
import { CallWindow } from './call-window.ts';
import { type CompareOptions, chooseDevices, choosePolicies, choosePool } from './compare-options.ts';
import {
  AS_RECORDED,
  COMPARE_RESULT_VERSION,
  type CompareData,
  type CompareDevice,
  type CompareRecording,
  type CompareResult,
  type CompareRow,
} from './compare-result.ts';
import { Comparer } from './comparer.ts';
import { Counter, type CounterTable } from './counters.ts';
import { PolicyRow } from './policy-row.ts';
import { rowCost, rowWork } from './row-cost.ts';
import { type FigureContext, mappingSizes, rowFigures } from './row-figures.ts';
import { everyRow, type RowShare } from './row-share.ts';
import { type SaturatedRow, type SaturateProgress, SaturateRun } from './saturate-load.ts';
import { compareGroups, compareRanking, compareVerdict } from './verdict.ts';
import { type RowPool, recordedPool, whatIfPool, withPool } from './what-if-machine.ts';

/**
 * Replays a recording under several policies and counts what each does.
 *
 * @throws LabError CMP001 to CMP004 for choices that do not fit, CMP005 for a recording without `dma:*` events; those of
 *   reading the trace
 */
export async function compareRecording(recording: Recording, options: CompareOptions = {}): Promise<CompareResult> {
  const comparison = new Comparison(recording, options);
  for await (const batch of recording.batches()) comparison.comparer.push(batch);
  for (const _ of comparison.saturate());
  return priceComparison(comparison.finish(), options.profile);
}

/** The result with the work of its rows priced. */
export function priceComparison(result: CompareResult, profile: CostProfile | undefined): CompareResult {
  if (profile === undefined) return result;
  const recorded = result.rows.find(({ policy }) => policy === AS_RECORDED)?.work ?? undefined;
  const rows = result.rows.map((row): CompareRow => {
    if (row.work === null) return row;
    const lowerBound = row.total.copied.in.lowerBound === true;
    return { ...row, cost: rowCost(row.work, row.policy === AS_RECORDED ? undefined : recorded, lowerBound, profile) };
  });
  const priced = { ...result, rows };
  const groups = compareGroups(priced);
  const ranking = compareRanking(groups, profile);
  return { ...priced, ranking, verdict: compareVerdict(groups, ranking) };
}

/** A comparison in the making, for callers that read the batches themselves. */
export class Comparison {
  readonly comparer: Comparer;
  private readonly recording: Recording;
  private readonly options: CompareOptions;
  private readonly machine: RecordedMachine;
  private readonly chosen: ReadonlySet<number>;
  private readonly flushesGiven: boolean;
  private readonly pool: RowPool;
  private readonly hasRecordedRow: boolean;
  private readonly policies: readonly ProtectionPolicy[];
  private readonly saturateRun: SaturateRun | undefined;

  /**
   * @param shareOf  which of the rows this comparison replays, of those that the options ask for; default all
   * @param RowClass rows that nobody's own policy is in
   */
  constructor(
    recording: Recording,
    options: CompareOptions = {},
    shareOf: (policies: readonly ProtectionPolicy[]) => RowShare = everyRow,
    RowClass: typeof PolicyRow = PolicyRow,
  ) {
    if (!recording.facts.hasApiLines) throw noCalls(recording);
    const { cpuCount, kernelRules } = recording.inference;
    this.recording = recording;
    this.options = options;
    this.pool = whatIfPool(recording, options.pool === undefined ? undefined : choosePool(options.pool, cpuCount, kernelRules));
    const recorded = recording.machine();
    this.machine = withPool(recorded, recordedPool(recording));
    this.chosen = chooseDevices(options.devices, this.machine.devices);
    const names = new Set([...this.chosen].map((index) => this.machine.devices[index].name));
    this.flushesGiven = showsFlushes(recording, this.machine);
    const { profile } = options;
    const measured = profile === undefined ? undefined : { profile, devices: this.chosen, series: options.series ?? false };
    const share = shareOf(choosePolicies(options.policies));
    this.hasRecordedRow = share.hasRecordedRow;
    this.policies = share.policies;
    const rows = share.policies.map((policy) => {
      const machine = withPool(
        recording.machine((device) => (names.has(device.name) ? policy : undefined)),
        this.pool,
      );
      return isUserPolicy(policy)
        ? userPolicyRow(policy, machine, measured)
        : new RowClass(policy.name, policy.summary, machine, false, measured);
    });
    const window = profile === undefined || options.saturate === undefined ? undefined : new CallWindow();
    if (window !== undefined) this.saturateRun = new SaturateRun(window, options.saturate!, profile!);
    if (share.hasRecordedRow)
      rows.unshift(new RowClass(AS_RECORDED, 'every device in its recorded mode', this.machine, this.flushesGiven, measured));
    this.comparer = new Comparer(rows, this.machine, recording.names, {
      hasRecordedRow: share.hasRecordedRow,
      recordedPool: recorded.parameters.swiotlb,
      cacheTags: hasCacheTags(recording),
      flushesGiven: this.flushesGiven,
      window: window === undefined ? undefined : { calls: window, devices: this.chosen },
    });
  }

  /**
   * Runs the saturate load, if it was asked for, once all batches have been pushed: one policy on one number of CPUs at a
   * time. A caller that stops early gets what has run in the result.
   *
   * @throws LabError POL010 for a policy of a file that the engine cannot run
   */
  *saturate(): Generator<SaturateProgress, void, void> {
    const { saturateRun, recording, hasRecordedRow, policies } = this;
    if (saturateRun === undefined) return;
    const names = new Set([...this.chosen].map((index) => this.machine.devices[index].name));
    const rows = policies.map((policy): SaturatedRow => {
      const machine = recording.machine((device) => (names.has(device.name) ? policy : undefined));
      return { name: policy.name, policy, parameters: withPool(machine, this.pool).parameters };
    });
    if (hasRecordedRow) rows.unshift({ name: AS_RECORDED, policy: undefined, parameters: this.machine.parameters });
    this.saturated = true;
    yield* saturateRun.run(rows);
  }

  private saturated = false;

  /** The result, once all batches have been pushed or the caller has had enough. */
  finish(): CompareResult {
    const { comparer, recording } = this;
    comparer.finish();
    const grade = recording.grade();
    const loss = grade.level === 'LOSS';
    const deviceIndexes = this.shownDevices();
    const devices = this.describeDevices(deviceIndexes);
    const context = { eventsByKind: recording.statistics.eventsByKind, loss, deviceIndexes, devices, chosen: this.chosen };
    return {
      data: this.data(),
      format: 'dmalab-compare',
      version: COMPARE_RESULT_VERSION,
      recording: this.describeRecording(),
      devices,
      mappings: mappingSizes(
        comparer.sizes,
        this.machine.devices.map((_, index) => index),
        loss,
      ),
      mappingsByDevice: deviceIndexes.map((index) => mappingSizes(comparer.sizes, [index], loss)),
      verdict: [],
      ranking: null,
      profile: this.options.profile?.name ?? null,
      saturation: this.saturated ? this.saturateRun!.describe(this.machine.devices.map(({ name }) => name)) : null,
      invalidationNs: this.options.profile?.constants.pageInvalidation.value ?? null,
      rows: comparer.rows.map((row, index): CompareRow => {
        const isRecorded = this.hasRecordedRow && index === 0;
        const modelled = row.isLazy && !(isRecorded && this.flushesGiven);
        const policy = isRecorded ? undefined : this.policies[index - (this.hasRecordedRow ? 1 : 0)];
        const figures = rowFigures(context, row, isRecorded ? comparer.recorded.counters : undefined, modelled);
        return {
          policy: row.name,
          summary: row.summary,
          status: policy?.status ?? null,
          promises: policy?.promises ?? null,
          work: rowWork(row, this.chosen),
          cost: null,
          exposure: this.exposureOf(row, context, modelled),
          poolSeries: row.measures?.pool?.figures() ?? null,
          saturation: this.saturateRun?.results[index] ?? null,
          ...figures,
        };
      }),
    };
  }

  private data(): CompareData {
    const { recording } = this;
    const { problems, assembler } = this.comparer;
    const { counters } = assembler;
    const grade = recording.grade();
    const { rows, contradictions } = recording.inference;
    const inFile = recording.description?.contradictions ?? [];
    return {
      level: grade.level,
      lines: grade.lines,
      events: grade.events,
      lost: grade.lost,
      notUnderstood: grade.notUnderstood,
      inferred: rows.map(({ what, value, why, basis }) => ({ what, value, why, basis })),
      contradictions: [
        ...contradictions.map(({ what, trace, description, line }) => ({ what, trace, description, line: line ?? null })),
        ...inFile.map((sentence) => ({ what: 'machine description', trace: '', description: sentence, line: null })),
      ],
      assembly: {
        rebuilt: counters.rebuilt,
        unknownMappings: counters.unknownMapping + problems.unknownSyncs,
        strayLines: counters.strayLines,
        mappingsReplaced: counters.mappingsReplaced,
        firstUnknownMappingLine: counters.firstUnknownMappingLine,
        firstStrayLine: counters.firstStrayLine,
        callsOfUnknownDevices: problems.callsOfUnknownDevices,
        callsWithoutRanges: problems.callsWithoutRanges,
        listsCut: problems.listsCut,
      },
    };
  }

  private describeRecording(): CompareRecording {
    const { recording } = this;
    return {
      ...recordingFacts(recording),
      pool: withoutPlace(recordedPool(recording)),
      whatIfPool: withoutPlace(this.pool),
      flushMoments: this.flushesGiven ? 'recorded' : 'model',
    };
  }

  /** Exposure of the devices in the result; null for a row that only counts. */
  private exposureOf(row: PolicyRow, context: FigureContext, modelled: boolean): ExposureFigures | null {
    if (row.measures === undefined) return null;
    return exposureFigures(row.measures.exposure, {
      shown: context.deviceIndexes.filter((index) => this.chosen.has(index)),
      names: this.machine.devices.map(({ name }) => name),
      domains: row.machine.devices.map(({ domain }) => domain?.index ?? -1),
      flushes: modelled ? 'model' : 'replay',
      loss: context.loss,
    });
  }

  /** Indexes of the devices with calls and of those that the user named, in the order of the result. */
  shownDevices(): number[] {
    const { counters } = this.comparer.recorded;
    const named = this.options.devices !== undefined && this.options.devices !== 'all';
    return this.machine.devices.flatMap((_, index) => {
      const calls = counters.get(index, Counter.SYNC) + mapCalls(counters, index) + unmapCalls(counters, index);
      return calls > 0 || (named && this.chosen.has(index)) ? [index] : [];
    });
  }

  private describeDevices(indexes: readonly number[]): CompareDevice[] {
    const { counters } = this.comparer.recorded;
    const bearers = new Map<number, string>();
    return indexes.map((index) => {
      const device = this.machine.devices[index];
      const bearer = bearers.get(device.group);
      if (bearer === undefined) bearers.set(device.group, device.name);
      return {
        name: device.name,
        driver: device.driver ?? null,
        untrusted: device.untrusted,
        group: knownGroup(this.recording, device),
        recordedPolicy: recordedPolicy(device).name,
        chosen: this.chosen.has(index),
        sharesDomainWith: bearer ?? null,
        mapCalls: mapCalls(counters, index),
        unmapCalls: unmapCalls(counters, index),
        syncsUnseen: counters.get(index, Counter.BOUNCE_ATTEMPTS) === 0 && counters.get(index, Counter.SYNC) === 0,
      };
    });
  }
}

function mapCalls(counters: CounterTable, device: number): number {
  return sumOf(counters, device, [Counter.MAP_PAGE, Counter.MAP_SG, Counter.MAP_RESOURCE, Counter.ALLOC]);
}

function unmapCalls(counters: CounterTable, device: number): number {
  return sumOf(counters, device, [Counter.UNMAP_PAGE, Counter.UNMAP_SG, Counter.UNMAP_RESOURCE, Counter.FREE]);
}

function sumOf(counters: CounterTable, device: number, kinds: readonly Counter[]): number {
  let sum = 0;
  for (const kind of kinds) sum += counters.get(device, kind);
  return sum;
}

function knownGroup(recording: Recording, device: RecordedDevice): number | null {
  return recording.description?.devices.find(({ address }) => address === device.name)?.iommuGroup ?? null;
}

function hasCacheTags(recording: Recording): boolean {
  const { eventsByKind } = recording.facts;
  return eventsByKind[EventKind.CACHE_TAG_FLUSH_RANGE] + eventsByKind[EventKind.CACHE_TAG_FLUSH_ALL] > 0;
}

/** Whether the trace shows the flushes of every lazy domain whose devices unmap anything, under the domain ids of the model. */
function showsFlushes(recording: Recording, machine: RecordedMachine): boolean {
  const { facts } = recording;
  const { parameters } = machine;
  if (facts.eventsByKind[EventKind.QI_SUBMIT] === 0) return facts.eventsByKind[EventKind.CACHE_TAG_FLUSH_ALL] > 0;
  // Domains take their ids in order, from the first on.
  return parameters.devices.every((device) => {
    const unmaps = facts.devices.get(device.name)?.lazyUnmaps ?? 0;
    return !device.policy.lazy || unmaps === 0 || facts.lazyDomainIds.has(device.domain + FIRST_DOMAIN_ID);
  });
}

function withoutPlace(pool: RowPool | null): CompareRecording['pool'] {
  if (pool === null) return null;
  const { slots, areas, bytes, basis } = pool;
  return { slots, areas, bytes, basis };
}

function noCalls(recording: Recording): LabError {
  return new LabError({
    code: 'CMP005',
    message: 'The trace has no calls of the DMA API, so there is nothing to replay.',
    file: recording.file,
    expected: 'events dma:* (Linux 6.12 and later)',
    got: 'events of what the calls did only',
    next: 'dmalab verify shows what can be said of such a trace; record with -e dma on Linux 6.12 or later',
  });
}
