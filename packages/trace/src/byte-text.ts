/** Text as bytes: what the readers of trace lines and the printers of names share. */

const SPACE = 0x20;

/** Bytes of a text of ASCII characters. */
export function asciiBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** Printable ASCII for any bytes: others and the backslash become `\xNN`. */
export function escapeBytes(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!;
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}

/** Printable ASCII for any text: other characters become `\xNN`, those above U+00FF all the same one. */
export function escapeText(text: string): string {
  const bytes = Uint8Array.from([...text], (character) => Math.min(0xff, character.codePointAt(0)!));
  return escapeBytes(bytes, 0, bytes.length);
}

/** True when `bytes[start..)` begins with the bytes of `word` before `end`. */
export function startsWith(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start < word.length) return false;
  for (let offset = 0; offset < word.length; offset++) {
    if (bytes[start + offset] !== word[offset]) return false;
  }
  return true;
}

/** Position of the first byte at or after `start` that is no blank, at most `end`. */
export function skipSpaces(bytes: Uint8Array, start: number, end: number): number {
  let position = start;
  while (position < end && bytes[position] === SPACE) position++;
  return position;
}

/** End of the word at `start`: a blank, or a control character, which ends the line. */
export function endOfWord(bytes: Uint8Array, start: number, end: number): number {
  let position = start;
  while (position < end && bytes[position]! > SPACE) position++;
  return position;
}
