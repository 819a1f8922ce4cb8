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

/** What to compare; the policies hold for the untrusted devices. */
export interface Asked {
  readonly policies?: readonly string[];
  readonly pool?: string;
  readonly profile?: string;
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

  private async compareOnce(name: string, { policies, pool, profile }: Asked): Promise<CompareResult> {
    const recording = await openRecording(this.pathOf(name));
    const options: CompareOptions = { devices: 'untrusted', policies, pool, profile: readProfile(profile ?? 'vtd-bare') };
    return compareRecording(recording, options);
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
