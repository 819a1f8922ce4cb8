import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

interface PackageFile {
  readonly version: string;
  readonly license: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function packageFile(name: string): PackageFile {
  return JSON.parse(readFileSync(new URL(`../packages/${name}/package.json`, import.meta.url), 'utf8')) as PackageFile;
}

describe('the packages', () => {
  test('of the core have no dependency', () => {
    expect(packageFile('core').dependencies).toBeUndefined();
  });

  test('are released together, each depending on exactly that version of the others', () => {
    const { version } = packageFile('core');
    for (const name of ['core', 'trace', 'lab', 'cli']) {
      const { version: own, license, dependencies = {} } = packageFile(name);
      expect([name, own, license]).toEqual([name, version, 'MIT']);
      for (const [dependency, wanted] of Object.entries(dependencies)) {
        if (dependency.startsWith('dmalab-')) expect([name, dependency, wanted]).toEqual([name, dependency, version]);
        else expect([dependency, /^\d/.test(wanted)]).toEqual([dependency, true]);
      }
    }
  });
});
