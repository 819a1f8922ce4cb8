import { Direction, LabError } from 'dmalab-core';
import type { Counterexample } from './counterexample.ts';
import { properties } from './properties/properties.ts';

/**
 * Reads what `dmalab check --json` has printed: a counterexample, or a report with exactly one.
 *
 * @throws LabError CHK005 when it is neither
 */
export function readCounterexample(text: string, file: string): Counterexample {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refusal(file, 'text that is not JSON');
  }
  const found = counterexamplesIn(value);
  if (found.length !== 1) throw refusal(file, `${found.length} counterexamples`);
  const example = found[0];
  if (!isCounterexample(example)) throw refusal(file, 'an object with other fields or values');
  return example;
}

/** Objects that say of themselves that they are counterexamples, wherever they are. */
function counterexamplesIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('format' in value && value.format === 'dmalab-counterexample') return [value];
  return Object.values(value).flatMap(counterexamplesIn);
}

function isCounterexample(value: object): value is Counterexample {
  const { version, policy, kernel, property, machine, actions } = value as Partial<Record<keyof Counterexample, unknown>>;
  return (
    version === 1 &&
    typeof policy === 'string' &&
    (kernel === '6.1' || kernel === '6.12') &&
    properties.some(({ name }) => name === property) &&
    Array.isArray(actions) &&
    actions.every((action) => typeof action === 'string') &&
    isMachine(machine)
  );
}

function isMachine(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { cpus, devices, slots, ringEntries, buffers } = value as Record<string, unknown>;
  if (!isCount(cpus, 4) || !isCount(devices, 4) || !isCount(slots, 32) || (slots as number) % 2 !== 0 || !isCount(ringEntries, 16))
    return false;
  return (
    Array.isArray(buffers) && buffers.length > 0 && buffers.length <= 8 && buffers.every((buffer) => isBuffer(buffer, devices as number))
  );
}

function isBuffer(value: unknown, devices: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { name, device, page, offset, bytes, direction, uses } = value as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    isIndex(device, devices) &&
    isIndex(page, 16) &&
    isIndex(offset, 4096) &&
    (offset as number) % 1024 === 0 &&
    isCount(bytes, 8192) &&
    (bytes as number) % 1024 === 0 &&
    [Direction.BIDIRECTIONAL, Direction.TO_DEVICE, Direction.FROM_DEVICE].some((known) => known === direction) &&
    isCount(uses, 255)
  );
}

function isIndex(value: unknown, end: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < end;
}

function isCount(value: unknown, most: number): boolean {
  return isIndex(value, most + 1) && value !== 0;
}

function refusal(file: string, got: string): LabError {
  return new LabError({
    code: 'CHK005',
    message: 'This is no counterexample.',
    file,
    expected: 'what dmalab check POLICY PROPERTY --json prints where a property is refuted',
    got,
    next: 'dmalab check bounce-lazy-unsafe P3 --json > x.json, then --replay x.json',
  });
}
