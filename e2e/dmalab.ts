/** Runs the built program as a user does, and judges what it prints. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROGRAM = join(ROOT, 'packages/cli/bin/dmalab.js');

export const SMALL_TRACE: string = fileURLToPath(new URL('fixtures/small.trace', import.meta.url));
export const SMALL_MACHINE: string = fileURLToPath(new URL('fixtures/small.machine.json', import.meta.url));

export const HEADER_LINES = 12;

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `dmalab` with these words. */
export function dmalab(args: readonly string[], options: RunOptions = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.env },
    input: options.input ?? '',
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return { code: status, out: stdout, err: stderr };
}

/** Lines of the small recording: header first. */
export function smallLines(): string[] {
  return readFileSync(SMALL_TRACE, 'utf8').trimEnd().split('\n');
}

/** The same recording with other events, and a header that counts them. */
export function withEvents(events: readonly string[]): string[] {
  return [
    ...smallLines()
      .slice(0, HEADER_LINES)
      .map((line) => line.replace('403/403', `${events.length}/${events.length}`)),
    ...events,
  ];
}

/** A directory of its own for the files of one test. */
export class Workbench {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'dmalab-e2e-'));

  /** Writes a file and gives its name, which is relative so that messages are the same everywhere. */
  write(name: string, content: string | Uint8Array): string {
    writeFileSync(join(this.directory, name), content);
    return name;
  }

  /** A trace with the small recording's machine description beside it. */
  trace(stem: string, lines: readonly string[]): string {
    this.write(`${stem}.machine.json`, readFileSync(SMALL_MACHINE));
    return this.write(`${stem}.trace`, `${lines.join('\n')}\n`);
  }

  dmalab(args: readonly string[], options: RunOptions = {}): Outcome {
    return dmalab(args, { cwd: this.directory, ...options });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** What is wrong with a text as output of any verb: nothing, or the first line that breaks a rule. */
export function styleFault(text: string): string | undefined {
  for (const line of text.split('\n')) {
    if (!/^[\x20-\x7e]*$/.test(line)) return `not ASCII: ${JSON.stringify(line)}`;
    if (line.length > 100) return `wider than 100 columns: ${line}`;
    if (line !== line.trimEnd()) return `trailing blank: ${line}|`;
    if (/\b(NaN|undefined|Infinity)\b/.test(line)) return `no figure: ${line}`;
    if (/^\s+at .*(\.[jt]s|node:)/.test(line)) return `stack trace: ${line}`;
  }
  return undefined;
}
