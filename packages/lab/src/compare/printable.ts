/** Plain ASCII of a text from outside, cut to a sensible length. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 60) || '(nothing)';
}
