/** A file that is either there whole or not at all. */
import { accessSync, constants, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { LabError } from 'dmalab-core';
import { asciiText } from './terminal/ascii.ts';

/** What is said when it cannot be written. */
export interface OutputRefusal {
  readonly code: string;
  readonly message: string;
  readonly next: string;
}

const PAGE: OutputRefusal = { code: 'RPT003', message: 'The page cannot be written.', next: 'name another file: -o report.html' };

export class OutputFile {
  readonly name: string;
  private readonly refused: OutputRefusal;
  /** Where the bytes go: behind links, so that a link stays one. */
  private readonly path: string;
  /** A device or a pipe is written to, not replaced. */
  private readonly isStream: boolean;

  /**
   * Looks whether the file can be written, so that work that takes long does not end with an error.
   *
   * @param inputs   files that must not be overwritten
   * @param refused  default that of the page
   * @throws LabError as `refused` says
   */
  constructor(name: string, inputs: readonly string[], refused: OutputRefusal = PAGE) {
    this.name = name;
    this.refused = refused;
    const there = statSync(name, { throwIfNoEntry: false });
    if (there?.isDirectory() === true) throw this.refusal('a directory');
    const isInput = inputs
      .map((input) => statSync(input, { throwIfNoEntry: false }))
      .some((input) => input !== undefined && input.ino === there?.ino && input.dev === there.dev);
    if (isInput) throw this.refusal('the input itself');
    this.isStream = there !== undefined && !there.isFile();
    this.path = there === undefined ? name : realpathSync(name);
    this.attempt(() => accessSync(this.isStream ? this.path : dirname(this.path), constants.W_OK));
  }

  /**
   * Writes it beside the place and moves it there, so that nobody ever sees half of it.
   *
   * @throws LabError as the constructor; nothing is left then
   */
  write(text: string): void {
    if (this.isStream) {
      this.attempt(() => writeFileSync(this.path, text));
      return;
    }
    const beside = `${this.path}.${process.pid}.part`;
    try {
      this.attempt(() => {
        writeFileSync(beside, text, { flag: 'wx' });
        renameSync(beside, this.path);
      });
    } finally {
      rmSync(beside, { force: true });
    }
  }

  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw this.refusal(error instanceof Error && 'code' in error ? reasonOf(String(error.code)) : 'no file');
    }
  }

  private refusal(got: string): LabError {
    const { code, message, next } = this.refused;
    return new LabError({
      code,
      message,
      file: asciiText(this.name),
      expected: 'a file in a directory that can be written to',
      got,
      next,
    });
  }
}

function reasonOf(code: string): string {
  switch (code) {
    case 'ENOENT':
      return 'no such directory';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'no permission to write there';
    case 'ENOSPC':
      return 'no space left';
    default:
      return code;
  }
}
