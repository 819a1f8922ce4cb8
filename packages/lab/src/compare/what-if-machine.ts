import { type PoolSize, poolSize, SLOT_BYTES } from 'dmalab-core';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import type { Recording } from '../replay/recording.ts';
import type { ComparePool, FigureBasis } from './compare-result.ts';

const FOUR_GIB = 2 ** 32;

/** A pool of a row: its size, its place, and how we know. */
export interface RowPool extends ComparePool {
  readonly start: number;
}

/** Pool of the recorded machine, null when it has none that we know of. */
export function recordedPool(recording: Recording): RowPool | null {
  const { pool } = recording.inference;
  if (pool === undefined) return null;
  if (recording.description?.swiotlb !== undefined) return { ...describe(pool, 'recorded'), start: pool.start };
  // The place of an inferred pool is a guess that may cover buffers of drivers.
  return placed(pool, 'inferred');
}

/** Pool of the what-if rows: the one asked for, else the recorded one, else what the kernel makes by default. */
export function whatIfPool(recording: Recording, wanted: PoolSize | undefined): RowPool {
  if (wanted !== undefined) return placed(wanted, 'given');
  const { cpuCount, kernelRules } = recording.inference;
  return recordedPool(recording) ?? placed(poolSize({}, cpuCount, kernelRules), 'inferred');
}

/** The machine with another pool. */
export function withPool(machine: RecordedMachine, pool: RowPool | null): RecordedMachine {
  const { parameters } = machine;
  const words = parameters.swiotlb;
  const swiotlb = pool === null ? null : { start: pool.start, slots: pool.slots, areas: pool.areas, forced: words?.forced ?? false };
  return { ...machine, parameters: { ...parameters, swiotlb } };
}

/** Just below 4 GiB every PC has its device registers and no memory, so no buffer can be mistaken for a slot. */
function placed(size: PoolSize, basis: FigureBasis): RowPool {
  return { ...describe(size, basis), start: FOUR_GIB - Math.ceil((size.slots * SLOT_BYTES) / 4096) * 4096 };
}

function describe({ slots, areas }: PoolSize, basis: FigureBasis): ComparePool {
  return { slots, areas, bytes: slots * SLOT_BYTES, basis };
}
