/** The object behind a report: what `--json` prints, what the page shows and what it carries inside. */
import { policies } from 'dmalab-core';
import {
  type BreakevenResult,
  type CompareData,
  type CompareResult,
  type CompareRow,
  type CostProfile,
  type Counterexample,
  check,
  checkOptionsOf,
  type VerifyResult,
} from 'dmalab-lab';
import type { Verdict } from '../report/verify-report.ts';
import { type ExposureOverTime, exposureOverTime } from './exposure-over-time.ts';
import { type PoolOverTime, poolOverTime } from './pool-over-time.ts';
import { securityFindings } from './security-findings.ts';

/** Version of the object; it changes when a field changes its meaning or goes away. */
const REPORT_VERSION = 1;
/** Co-locations and reuses that are listed per row; their number is in the figures. */
export const FINDINGS_MAX = 10;

/** The trace and the machine, as far as they are known. */
export interface ReportSource {
  readonly file: string;
  /** Of the file as it lies there, compressed or not. */
  readonly sha256: string;
  readonly bytes: number;
  readonly kernelVersion: string | null;
  readonly architecture: string | null;
  /** The recording machine in words. */
  readonly recordedOn: string | null;
}

export interface ReportVerify {
  readonly verdict: Verdict;
  readonly events: number;
  readonly result: VerifyResult;
}

export interface ReportResult {
  readonly data: CompareData;
  readonly format: 'dmalab-report';
  readonly version: number;
  /** Version of dmalab. */
  readonly dmalab: string;
  /** What repeats it. */
  readonly command: string;
  readonly source: ReportSource;
  /** The verdict of the comparison, unchanged. */
  readonly answer: readonly string[];
  /** What the machine as recorded leaves open, a sentence each. */
  readonly findings: readonly string[];
  /** The comparison; its series over time are below, thinned, and lists of findings have ten entries at most. */
  readonly compare: CompareResult;
  readonly exposureOverTime: readonly ExposureOverTime[];
  readonly poolOverTime: readonly PoolOverTime[];
  /** Over buffer sizes, with those of this trace. */
  readonly breakeven: BreakevenResult;
  /** How policies of the comparison lose a slot to a device that still reaches it, as the checker finds it; not from this trace. */
  readonly counterexamples: readonly Counterexample[];
  /** Null with --no-verify. */
  readonly verify: ReportVerify | null;
  readonly profile: CostProfile;
}

/** Puts a report together. */
export function reportResult(
  compare: CompareResult,
  profile: CostProfile,
  source: ReportSource,
  breakeven: BreakevenResult,
  verify: ReportVerify | null,
  dmalab: string,
  command: string,
): ReportResult {
  return {
    data: compare.data,
    format: 'dmalab-report',
    version: REPORT_VERSION,
    dmalab,
    command,
    source,
    answer: compare.verdict,
    findings: securityFindings(compare),
    compare: { ...compare, rows: compare.rows.map(withoutSeries) },
    exposureOverTime: exposureOverTime(compare),
    poolOverTime: poolOverTime(compare),
    breakeven,
    counterexamples: slotReuses(compare),
    verify,
    profile,
  };
}

/** The shortest stories in which P3 breaks, of the policies that bounce and do not keep it. */
function slotReuses({ rows }: CompareResult): Counterexample[] {
  const names = rows.map(({ policy }) => policy);
  const chosen = policies.filter(({ name, translated, bounces }) => names.includes(name) && translated && bounces(1, 1));
  const search = check({ ...checkOptionsOf({ properties: 'P3' }), policies: chosen });
  let step = search.next();
  while (step.done !== true) step = search.next();
  return step.value.policies.flatMap(({ cells }) => cells.flatMap(({ counterexample }) => counterexample ?? []));
}

function withoutSeries(row: CompareRow): CompareRow {
  const { exposure } = row;
  if (exposure === null) return { ...row, poolSeries: null };
  const { total, devices, coLocations, reuses } = exposure;
  return {
    ...row,
    poolSeries: null,
    exposure: {
      total: { ...total, series: null },
      devices: devices.map((device) => ({ ...device, series: null })),
      coLocations: { pairs: coLocations.pairs, worst: coLocations.worst.slice(0, FINDINGS_MAX) },
      reuses: reuses.slice(0, FINDINGS_MAX),
    },
  };
}
