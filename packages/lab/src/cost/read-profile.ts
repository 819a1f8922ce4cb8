import { readdirSync, readFileSync } from 'node:fs';
import { LabError } from 'dmalab-core';
import { nearestName } from '../compare/nearest-name.ts';
import { type CostProfile, parseProfileText } from './cost-profile.ts';

const FOLDER = new URL('../../profiles/', import.meta.url);
const ENDING = '.json';
const FIRST = 'vtd-bare';

/** Names of the profiles that come along, the default first. */
export function profileNames(): string[] {
  const names = readdirSync(FOLDER).flatMap((file) => (file.endsWith(ENDING) ? [file.slice(0, -ENDING.length)] : []));
  return [FIRST, ...names.filter((name) => name !== FIRST).sort()];
}

/**
 * A profile that comes along, by its name, or a file: what holds a slash or ends in .json.
 *
 * @throws LabError PRF007 no such profile, PRF008 the file cannot be read, and those of `parseProfileText`
 */
export function readProfile(nameOrFile: string): CostProfile {
  if (nameOrFile.includes('/') || nameOrFile.endsWith(ENDING)) return parseProfileText(fileText(nameOrFile), nameOrFile);
  const names = profileNames();
  if (!names.includes(nameOrFile)) throw unknownProfile(nameOrFile, names);
  const file = `${nameOrFile}${ENDING}`;
  return parseProfileText(readFileSync(new URL(file, FOLDER), 'utf8'), file);
}

function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new LabError({
      code: 'PRF008',
      message: 'The cost profile cannot be read.',
      file,
      expected: 'a file of JSON',
      got: reason === 'ENOENT' ? 'no such file' : reason,
      next: 'check the name and its permissions; dmalab profile list names those that come along',
    });
  }
}

function unknownProfile(name: string, names: readonly string[]): LabError {
  const nearest = nearestName(name, names);
  return new LabError({
    code: 'PRF007',
    message: 'There is no such cost profile.',
    expected: `${names.join(', ')}, or a file (a path, or a name that ends in ${ENDING})`,
    got: name.replace(/[^\x20-\x7e]/g, '?').slice(0, 60) || '(nothing)',
    next: nearest === undefined ? 'dmalab profile list' : `did you mean ${nearest}?`,
  });
}
