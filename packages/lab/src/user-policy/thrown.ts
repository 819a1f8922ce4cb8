import { printable } from '../compare/printable.ts';

/** What code from outside has thrown, as a line of text; it need not be an error. */
export function thrownText(thrown: unknown): string {
  try {
    return printable(thrown instanceof Error ? `${thrown.name}: ${thrown.message.split('\n')[0]}` : String(thrown));
  } catch {
    return typeof thrown;
  }
}

/** Line of the file in which it was thrown, undefined when the stack does not show the file. */
export function thrownLine(thrown: unknown, path: string): number | undefined {
  if (!(thrown instanceof Error) || typeof thrown.stack !== 'string') return undefined;
  for (const row of thrown.stack.split('\n')) {
    const place = [path, encodeURI(path)].find((name) => row.includes(`${name}:`));
    if (place === undefined) continue;
    const line = Number.parseInt(row.slice(row.indexOf(`${place}:`) + place.length + 1), 10);
    if (line > 0) return line;
  }
  return undefined;
}
