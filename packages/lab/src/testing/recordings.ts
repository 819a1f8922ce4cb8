import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const repository: string = fileURLToPath(new URL('../../../../', import.meta.url));

/** Every `*.trace.gz` of a folder, none when there is no such folder. */
export function recordingsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.trace.gz'))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** The recordings of this repository, each with its place in it. */
export const ownRecordings: readonly (readonly [name: string, path: string])[] = ['examples', 'testdata'].flatMap((folder) =>
  recordingsIn(repository + folder).map((path) => [path.slice(repository.length), path] as const),
);

/** Folder with recordings elsewhere, undefined when nobody names one. */
export const recordingsElsewhere: string | undefined = process.env.DMALAB_TRACES;
