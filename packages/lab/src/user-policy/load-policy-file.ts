/** Loads a policy of the user's own under Node. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LabError } from 'dmalab-core';
import { printable } from '../compare/printable.ts';
import { readPolicy } from './read-policy.ts';
import { thrownLine, thrownText } from './thrown.ts';
import type { CodeWatch, UserPolicy } from './user-policy.ts';

/** Whether a word of `--policy` names a file and no policy of dmalab. */
export function isPolicyFile(word: string): boolean {
  return /[/\\]|\.[cm]?[jt]s$/.test(word);
}

/**
 * Runs the file and reads the policy that it exports, as `default` or as `policy`.
 *
 * @param taken  names of the other rows
 * @throws LabError POL001 to POL009
 */
export async function loadPolicyFile(word: string, taken: readonly string[], watch: CodeWatch): Promise<UserPolicy> {
  const source = { file: printable(word), path: resolve(word), watch };
  if (!existsSync(source.path)) {
    throw new LabError({
      code: 'POL001',
      message: 'There is no such policy file.',
      file: source.file,
      expected: 'a JavaScript file that exports a policy, or the name of a policy of dmalab',
      got: 'no file',
      next: 'check the name; docs/policies.md has an example',
    });
  }
  watch.enter();
  try {
    const exports: unknown = await import(pathToFileURL(source.path).href);
    const { default: byDefault, policy } = exports as { default?: unknown; policy?: unknown };
    return readPolicy(byDefault ?? policy, source, taken);
  } catch (error) {
    throw error instanceof LabError ? error : loadError(error, source);
  } finally {
    watch.leave();
  }
}

function loadError(error: unknown, { file, path }: { file: string; path: string }): LabError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' || code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING') {
    return new LabError({
      code: 'POL003',
      message: 'This Node cannot load TypeScript.',
      file,
      expected: 'a .js or .mjs file, or Node 22.18 or later',
      got: `Node ${process.versions.node}`,
      next: 'write it as JavaScript; a policy needs no types',
    });
  }
  return new LabError({
    code: 'POL002',
    message: 'The policy file cannot be loaded.',
    file,
    line: thrownLine(error, path),
    expected: 'a module that loads and exports a policy',
    got: thrownText(error),
    next: code === 'ERR_MODULE_NOT_FOUND' ? 'name steps as texts: a policy needs no imports' : 'mend the file; node FILE shows more',
  });
}
