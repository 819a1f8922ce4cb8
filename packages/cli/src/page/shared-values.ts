/**
 * JSON with every larger value that occurs more than once written once: most figures of a comparison are the same in many
 * rows, and a page is sent by mail. Nothing is lost: reading gives back what was written.
 */

/** A value of `shared`, in the place of what it stands for. */
const REFERENCE = '$';
/** A reference is not worth it for less. */
const SHARED_FROM_LENGTH = 24;

/** The value as JSON `{"shared": [...], "value": ...}`; `{"$": n}` stands for entry n of `shared`. */
export function sharedJson(value: unknown): string {
  const counts = new Map<string, number>();
  countValues(plain(value), counts);
  const shared: unknown[] = [];
  const indexes = new Map<string, number>();
  const packed = pack(plain(value), counts, indexes, shared);
  return JSON.stringify({ shared, value: packed });
}

/** What was written; undefined when the text is nothing of that kind. */
export function parseSharedJson(text: string): unknown {
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null || !('shared' in document) || !('value' in document)) return undefined;
  return Array.isArray(document.shared) ? unpack(document.value, document.shared) : undefined;
}

/** As JSON has it: typed arrays as objects, no undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function countValues(value: unknown, counts: Map<string, number>): void {
  if (typeof value !== 'object' || value === null) return;
  const text = JSON.stringify(value);
  counts.set(text, (counts.get(text) ?? 0) + 1);
  for (const inner of Object.values(value)) countValues(inner, counts);
}

function pack(value: unknown, counts: ReadonlyMap<string, number>, indexes: Map<string, number>, shared: unknown[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const text = JSON.stringify(value);
  const inside = (): unknown =>
    Array.isArray(value)
      ? value.map((inner: unknown) => pack(inner, counts, indexes, shared))
      : Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, pack(inner, counts, indexes, shared)]));
  if (text.length < SHARED_FROM_LENGTH || counts.get(text) === 1) return inside();
  let index = indexes.get(text);
  if (index === undefined) {
    index = shared.push(inside()) - 1;
    indexes.set(text, index);
  }
  return { [REFERENCE]: index };
}

function unpack(value: unknown, shared: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((inner: unknown) => unpack(inner, shared));
  if (REFERENCE in value && typeof value[REFERENCE] === 'number') return unpack(shared[value[REFERENCE]], shared);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unpack(inner, shared)]));
}
