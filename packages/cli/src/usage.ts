/** Wrong usage: every message names what was typed, what would be right and what to do next. */
import { LabError } from 'dmalab-core';

const PLAIN_WORD = /^[A-Za-z0-9_./:,=@%+-]+$/;

/** A word as a shell takes it back. */
export function shellWord(word: string): string {
  return PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The candidate that `word` was probably meant to be, undefined when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const typed = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length * 0.4)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? candidates.find((candidate) => typed.length > 2 && candidate.startsWith(typed));
}

/** A usage error with a suggestion where there is one. */
export function usageError(code: string, message: string, got: string, expected: readonly string[] | string, help: string): LabError {
  const near = typeof expected === 'string' ? undefined : nearest(got, expected);
  const wanted = typeof expected === 'string' ? expected : expected.join(', ');
  return new LabError({ code, message, expected: wanted, got, next: near === undefined ? help : `did you mean ${near}? ${help}` });
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) distance = Math.min(distance, beforeLast[j - 2]! + 1);
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
