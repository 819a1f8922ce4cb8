/** What is said when a thread does not do what it should, and how errors go from one thread to another. */
import { LabError, type LabErrorParts } from 'dmalab-core';
import { printable } from '../compare/printable.ts';
import { isPolicyFile } from '../user-policy/load-policy-file.ts';
import { CODE_LIMIT_MS } from './code-watcher.ts';

/** An error as a thread tells it: what the user did wrong, or a bug of ours. */
export type TroubleMessage =
  | { readonly kind: 'refusal'; readonly parts: LabErrorParts }
  | { readonly kind: 'failure'; readonly message: string; readonly stack: string | undefined };

export function troubleOf(error: unknown): TroubleMessage {
  if (error instanceof LabError) return { kind: 'refusal', parts: partsOf(error) };
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'failure', message, stack };
}

export function partsOf({ code, message, file, line, expected, got, next }: LabError): LabErrorParts {
  return { code, message, file, line, expected, got, next };
}

export function errorOf(trouble: TroubleMessage): Error {
  if (trouble.kind === 'refusal') return new LabError(trouble.parts);
  const error = new Error(trouble.message);
  if (trouble.stack !== undefined) error.stack = trouble.stack;
  return error;
}

/** @param words  names of policies and policy files */
export function neverEnds(words: readonly string[] | undefined): LabError {
  return new LabError({
    code: 'POL011',
    message: 'The policy file does not come back.',
    file: fileNames(words),
    expected: `an answer within ${CODE_LIMIT_MS / 1000} s`,
    got: 'code that runs on, at import or in bounces()',
    next: 'look for a loop that never ends',
  });
}

/** A thread is gone: through the user's file if it had one. */
export function threadEnded(words: readonly string[] | undefined, got: string): LabError {
  if (words?.some(isPolicyFile) ?? false) {
    return new LabError({
      code: 'POL012',
      message: 'The policy file has ended its thread.',
      file: fileNames(words),
      expected: 'code that neither ends the process nor takes all memory, and promises that are kept',
      got: printable(got),
      next: 'mend the file; node FILE shows more',
    });
  }
  return new LabError({
    code: 'CMP006',
    message: 'A thread has ended.',
    expected: 'enough memory for all threads',
    got: printable(got),
    next: 'run it again, with fewer policies (--policy)',
  });
}

function fileNames(words: readonly string[] | undefined): string {
  return printable((words ?? []).filter(isPolicyFile).join(', '));
}
