/** Secrets: bytes that a device must not get, marked so that they are known wherever they turn up. */
import { assert, type Prng } from 'dmalab-core';

/** A secret stands in marks of so many bytes, each with the secret's tag and its own place in it. */
export const MARK_BYTES = 8;

/** Bytes that belong to somebody else than the device. */
export interface Secret {
  /** Who would be harmed, in plain words: `keyring`, `disk`. */
  readonly owner: string;
  readonly label: string;
  /** Length, a multiple of 8. */
  readonly bytes: number;
  /** First word of each of its marks. */
  readonly tag: number;
}

/** The secrets of one scene, each with a tag of its own. */
export class SecretBook {
  private readonly prng: Prng;
  private readonly byTag: Map<number, Secret> = new Map();

  constructor(prng: Prng) {
    this.prng = prng;
  }

  /** A new secret of `bytes` bytes, a multiple of 8. */
  create(owner: string, label: string, bytes: number): Secret {
    assert(bytes > 0 && bytes % MARK_BYTES === 0, 'a secret is made of whole marks');
    let tag = this.prng.next32();
    // A tag without a zero byte: no run of cleared memory looks like one, at any offset.
    while (this.byTag.has(tag) || hasZeroByte(tag)) tag = this.prng.next32();
    const secret = { owner, label, bytes, tag };
    this.byTag.set(tag, secret);
    return secret;
  }

  /** What stands in memory for it. */
  contentOf(secret: Secret): Uint8Array {
    const content = new DataView(new ArrayBuffer(secret.bytes));
    for (let mark = 0; mark * MARK_BYTES < secret.bytes; mark++) {
      content.setUint32(mark * MARK_BYTES, secret.tag);
      content.setUint32(mark * MARK_BYTES + 4, mark);
    }
    return new Uint8Array(content.buffer);
  }

  /** The marks in a piece of memory, at any offset: of each secret the places found. */
  marksIn(data: Uint8Array): Map<Secret, Set<number>> {
    const found = new Map<Secret, Set<number>>();
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let offset = 0; offset + MARK_BYTES <= data.length; offset++) {
      const secret = this.byTag.get(view.getUint32(offset));
      if (secret === undefined) continue;
      const mark = view.getUint32(offset + 4);
      if (mark * MARK_BYTES >= secret.bytes) continue;
      const marks = found.get(secret) ?? new Set();
      found.set(secret, marks.add(mark));
    }
    return found;
  }
}

function hasZeroByte(word: number): boolean {
  return (word & 0xff) === 0 || (word & 0xff00) === 0 || (word & 0xff0000) === 0 || word >>> 24 === 0;
}
