import { expect, test } from 'vitest';
import { Prng } from './prng.ts';
import { StateArena } from './state-arena.ts';
import { StateImage, type TrackedTable } from './state-image.ts';

/** A long table that notes its writes. */
class LongTable implements TrackedTable {
  readonly name = 'long';
  version = 0;
  readonly writtenBlocks: number[] = [];
  words!: Uint32Array<ArrayBuffer>;
  private last = 0;

  constructor(arena: StateArena) {
    arena.table(this.name, 1024, { word: 'u32' }, (columns) => {
      this.words = columns.word;
    });
  }

  set(word: number, value: number): void {
    this.words[word] = value;
    this.version = ++this.last;
    if (!this.writtenBlocks.includes(word >> 6)) this.writtenBlocks.push(word >> 6);
  }
}

/** Two arenas with a table each, one of which has a statistic, and a long table. */
class Sample {
  readonly first = new StateArena();
  readonly second = new StateArena();
  readonly long: LongTable;
  scalars!: Float64Array<ArrayBuffer>;
  bytes!: Uint8Array<ArrayBuffer>;
  restores = 0;
  readonly image: StateImage;

  constructor() {
    this.first.table(
      'scalars',
      5,
      { value: 'f64' },
      (columns) => {
        this.scalars = columns.value;
      },
      { statisticRows: [4] },
    );
    this.second.table(
      'bytes',
      21,
      { byte: 'u8' },
      (columns) => {
        this.bytes = columns.byte;
      },
      {
        restored: () => {
          this.restores += 1;
        },
      },
    );
    this.long = new LongTable(this.second);
    this.image = new StateImage([this.first, this.second], this.long);
  }

  change(prng: Prng): void {
    this.scalars[prng.below(4)] = prng.below(4);
    this.bytes[prng.below(21)] = prng.below(3);
    if (prng.chance(1, 2)) this.long.set(prng.below(8) * 128, prng.below(3));
  }

  /** All that is state and no statistic. */
  contents(): string {
    return [this.scalars.subarray(0, 4), this.bytes, this.long.words].map((column) => column.join()).join(';');
  }
}

test('states go back, and equal states have equal hashes whichever way they came about', () => {
  const sample = new Sample();
  const { image } = sample;
  const prng = new Prng(5);
  const snapshots = [image.newSnapshot()];
  image.saveTo(snapshots[0]!);
  const contents = [sample.contents()];
  const hashes = new Map<string, string>();
  for (let round = 0; round < 3000; round++) {
    const from = prng.below(snapshots.length);
    image.restore(snapshots[from]!);
    expect(sample.contents()).toBe(contents[from]);
    for (let change = prng.below(3); change >= 0; change--) sample.change(prng);
    image.hashFrom(snapshots[from]!);
    const hash = `${image.hashLow} ${image.hashHigh}`;
    const now = sample.contents();
    expect(hashes.get(now) ?? hash).toBe(hash);
    hashes.set(now, hash);
    const at = prng.below(Math.min(8, snapshots.length + 1));
    snapshots[at] ??= image.newSnapshot();
    image.saveTo(snapshots[at]!);
    contents[at] = now;
  }
  expect(new Set(hashes.values()).size).toBe(hashes.size);
});

test('statistics are saved and restored but are no part of the hash', () => {
  const { image, scalars } = new Sample();
  const start = image.newSnapshot();
  image.saveTo(start);
  scalars[4] = 9;
  image.hashFrom(start);
  expect([image.hashLow, image.hashHigh]).toEqual([start.hashLow, start.hashHigh]);
  image.restore(start);
  expect(scalars[4]).toBe(0);
});

test('tables keep their columns, hear of restores and do not grow', () => {
  const sample = new Sample();
  const { image, bytes, second } = sample;
  const start = image.newSnapshot();
  image.saveTo(start);
  const before = sample.restores;
  image.restore(start);
  expect(sample.bytes).toBe(bytes);
  expect(sample.restores).toBe(before + 1);
  expect(() => second.allTables[0]!.grow(22)).toThrow('has a fixed size of 21 rows');
  expect(second.restore.bind(second, second.save())).not.toThrow();
});
