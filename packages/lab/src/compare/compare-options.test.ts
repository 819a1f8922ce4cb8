import { LabError } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { recordedDevices } from '../replay/recorded-machine.ts';
import { mapText } from '../testing/kernel-lines.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { testMachine } from '../testing/test-machine.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { compareRecording } from './compare.ts';
import { chooseDevices, choosePolicies, choosePool } from './compare-options.ts';
import { nearestName } from './nearest-name.ts';

const trace = new TraceText().add(task(1), mapText(0x1000, 0x1000, 4096)).toString();
const description = testMachine({
  devices: [
    { address: '0000:00:05.0', protection: 'lazy' },
    { address: '0000:01:00.0', protection: 'untrusted' },
    { address: '0000:02:00.0', protection: 'lazy', group: 7 },
    { address: '0000:02:00.1', protection: 'lazy', group: 7 },
  ],
});
const recording = recordingFromText(trace, description);
const devices = recordedDevices(description, recording.inference);

/** The error of a choice, as code and advice. */
function refusal(choose: () => unknown): string {
  try {
    choose();
  } catch (error) {
    if (error instanceof LabError) return `${error.code}: ${error.next}`;
    throw error;
  }
  return 'accepted';
}

describe('policies', () => {
  it('are all by default, else those that are named, each once', () => {
    expect(choosePolicies(undefined).map(({ name }) => name)).toEqual([
      'passthrough',
      'strict',
      'lazy',
      'bounce-strict',
      'bounce-partial',
      'bounce-link',
      'bounce-lazy-unsafe',
      'bounce-deferred',
      'bounce-deferred-mixed',
      'shadow',
      'swiotlb-force',
    ]);
    expect(choosePolicies(['lazy', 'strict', 'lazy']).map(({ name }) => name)).toEqual(['lazy', 'strict']);
  });

  it('that do not exist are refused with the nearest name', () => {
    expect(refusal(() => choosePolicies(['bounce-stric']))).toBe('CMP001: did you mean bounce-strict?');
    expect(refusal(() => choosePolicies(['pass-through']))).toBe('CMP001: did you mean passthrough?');
    expect(refusal(() => choosePolicies(['qqqqqqqqqqqqqqqqqqqqqqqqq']))).toBe('CMP001: choose one of these');
    expect(refusal(() => choosePolicies(['\u001b[31m']))).toMatch(/^CMP001/);
  });
});

describe('devices', () => {
  it('are chosen by name, short name, trust, and group', () => {
    expect([...chooseDevices(undefined, devices)]).toEqual([0, 1, 2, 3]);
    expect([...chooseDevices('all', devices)]).toEqual([0, 1, 2, 3]);
    expect([...chooseDevices('untrusted', devices)]).toEqual([1]);
    expect([...chooseDevices('00:05.0,0000:01:00.0', devices)]).toEqual([0, 1]);
    expect([...chooseDevices('0000:02:00.1', devices)]).toEqual([2, 3]);
  });

  it('that do not exist are refused with the nearest name', () => {
    expect(refusal(() => chooseDevices('0000:01:00.1', devices))).toBe('CMP002: did you mean 0000:01:00.0?');
    expect(refusal(() => chooseDevices('untrustd', devices))).toBe('CMP002: did you mean untrusted?');
    expect(refusal(() => chooseDevices('', devices))).toMatch(/^CMP002/);
    expect(refusal(() => chooseDevices('untrusted', [devices[0]]))).toBe(
      'CMP003: leave --device out, or name devices: --device 0000:01:00.0',
    );
  });
});

describe('the pool', () => {
  it.each([
    ['128', 1, { slots: 128, areas: 1 }],
    ['1000', 1, { slots: 1024, areas: 1 }],
    ['128', 4, { slots: 512, areas: 4 }],
    ['4096,4', 1, { slots: 4096, areas: 4 }],
    ['524288', 1, { slots: 524288, areas: 1 }],
  ])('%s on %i CPUs is rounded as the kernel does', (parameter, cpus, size) => {
    expect(choosePool(parameter, cpus, '6.12')).toEqual(size);
  });

  it.each(['', '0', '-1', '1.5', '0x100', 'big', '128,', '128,0', '128,1,1', '1000000', '99999999999', 'force'])(
    '%s is refused',
    (parameter) => {
      expect(refusal(() => choosePool(parameter, 1, '6.12'))).toMatch(/^CMP004/);
    },
  );
});

describe('a recording without calls', () => {
  it('is refused with what to do', async () => {
    await expect(compareRecording(recording)).rejects.toMatchObject({ code: 'CMP005' });
  });
});

describe('the nearest name', () => {
  it('is none when all are far', () => {
    expect(nearestName('lasy', ['lazy', 'strict'])).toBe('lazy');
    expect(nearestName('LAZY', ['lazy', 'strict'])).toBe('lazy');
    expect(nearestName('x', ['lazy', 'strict'])).toBeUndefined();
    expect(nearestName('', ['lazy'])).toBeUndefined();
  });
});
