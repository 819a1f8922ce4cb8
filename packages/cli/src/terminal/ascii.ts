/**
 * Text from a file or a command line, made harmless for a terminal and for plain-text mail.
 *
 * A task name can hold any byte: an escape sequence that sets the window title, a mark that turns the reading direction
 * round. Nothing of that may reach a terminal, and everything must stay visible.
 */

/** Printable ASCII stays, other characters become `\xNN` or `\u{N}`. Applying it twice changes nothing. */
export function asciiText(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** At most `columns` characters; a cut text ends in `...`. */
export function clipped(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 3))}...`;
}
