import { readFileSync } from 'node:fs';
import { bounceStrict, Direction, Machine, pcMachine } from 'dmalab-core';
import { describe, expect, test } from 'vitest';
import { dmalab } from './dmalab.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

describe('the README', () => {
  test.each(['compare', 'verify'])('shows what dmalab %s prints', (verb) => {
    const { code, out } = dmalab([verb, 'examples/thunderbolt-nvme.trace.gz']);
    expect(code).toBe(0);
    expect(readme).toContain(`\`\`\`text\n${out.trimEnd()}\n\`\`\``);
  });

  test('has a library example that does what its comments say', () => {
    const machine = new Machine(pcMachine([bounceStrict]));
    machine.memory.write(0x103a4c2, Uint8Array.of(1, 2, 3));
    const address = machine.dmaMapPage(0, 0, 0x103a4c2, 3, Direction.TO_DEVICE);
    const seen = new Uint8Array(3);
    expect(machine.deviceRead(0, address, seen)).toBe(3);
    expect([...seen]).toEqual([1, 2, 3]);
    machine.dmaUnmapPage(0, 0, address, 3, Direction.TO_DEVICE);
    expect(machine.deviceRead(0, address, seen)).toBe(0);
    expect(machine.unit?.faults.isFull(0)).toBe(true);
  });
});
