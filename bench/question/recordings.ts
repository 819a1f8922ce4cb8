import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CompareOptions, type CompareResult, type CompareRow, type CostProfile, compareRecording } from 'dmalab-lab';
import { openRecording, readProfile } from 'dmalab-lab/node';

export const EXAMPLE = 'thunderbolt-nvme';
/** The recordings that do not come along, by the part of their file name that tells them apart. */
export const SHARED_RECORDINGS: readonly string[] = [
  'strict-1cpu-nvme',
  'lazy-1cpu-mixed',
  'lazy-1cpu-e1000',
  'lazy-1cpu-rebind',
  'lazy-2cpu-parallel',
  'small-pool-1cpu-net',
];

/** What to compare. */
export interface Asked {
  /** Default the untrusted ones. */
  readonly devices?: string;
  readonly policies?: readonly string[];
  readonly pool?: string;
  /** Also back to back on so many CPUs. */
  readonly cpus?: readonly number[];
}

/** Comparisons of recordings, each made once. */
export class Recordings {
  /** Folder of the recordings that do not come along, undefined without them. */
  readonly folder: string | undefined;
  private readonly made = new Map<string, Promise<CompareResult>>();

  constructor(folder: string | undefined) {
    this.folder = folder;
  }

  compare(name: string, asked: Asked = {}): Promise<CompareResult> {
    const key = JSON.stringify([name, asked]);
    let result = this.made.get(key);
    if (result === undefined) {
      result = this.compareOnce(name, asked);
      this.made.set(key, result);
    }
    return result;
  }

  private async compareOnce(name: string, { devices = 'untrusted', policies, pool, cpus }: Asked): Promise<CompareResult> {
    const recording = await openRecording(this.pathOf(name));
    const options: CompareOptions = {
      devices,
      policies,
      pool,
      profile: readProfile('vtd-bare'),
      saturate: cpus === undefined ? undefined : { cpus },
    };
    return compareRecording(recording, options);
  }

  /** Whether the folder has every recording that the tables need. */
  get isComplete(): boolean {
    return this.folder !== undefined && SHARED_RECORDINGS.every((name) => existsSync(this.pathOf(name)));
  }

  private pathOf(name: string): string {
    if (name === EXAMPLE) return fileURLToPath(new URL('../../examples/thunderbolt-nvme.trace.gz', import.meta.url));
    return `${this.folder}/linux-6.12-${name}.trace.gz`;
  }
}

export function rowOf({ rows }: Pick<CompareResult, 'rows'>, policy: string): CompareRow {
  return rows.find((row) => row.policy === policy)!;
}

/** The profile with all copies at one cache state: 0 hot, 1 cold. */
export function atCacheState(profile: CostProfile, state: number): CostProfile {
  const { copyState } = profile.constants;
  const pinned = { ...copyState, low: state, value: state, high: state } as typeof copyState;
  return { ...profile, constants: { ...profile.constants, copyState: pinned } };
}
