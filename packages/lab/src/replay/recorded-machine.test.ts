import { bounceStrict, lazy, passthrough, strict } from 'dmalab-core';
import { inferMachine, TraceFacts } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';
import { bouncedText, mapPageText, mapText } from '../testing/kernel-lines.ts';
import { recordingFromText } from '../testing/recording-from-text.ts';
import { POOL_START, type TestMachine, testMachine } from '../testing/test-machine.ts';
import { TraceText, task } from '../testing/trace-text.ts';
import { type PolicyChoice, type RecordedMachine, recordedMachine } from './recorded-machine.ts';

const A = '0000:00:05.0';
const B = '0000:01:00.0';
const C = '0000:02:1f.3';

function machineOf(machine: TestMachine, choose?: PolicyChoice): RecordedMachine {
  const description = testMachine(machine);
  return recordedMachine(description, inferMachine(new TraceFacts(), description), choose);
}

function policiesOf({ parameters }: RecordedMachine): string[] {
  return parameters.devices.map(({ policy, domain }) => `${policy.name} ${domain}`);
}

/** Goal: what is recorded of a machine becomes that machine. */
describe('recorded machine', () => {
  it('domain type and trust say which policy a device has', () => {
    const recorded = machineOf({
      devices: [
        { address: A, protection: 'lazy' },
        { address: B, protection: 'untrusted' },
        { address: C, protection: 'strict' },
        { address: '0000:03:00.0', protection: 'identity' },
      ],
    });
    expect(recorded.parameters.devices.map(({ policy }) => policy)).toEqual([lazy, bounceStrict, strict, passthrough]);
    expect(policiesOf(recorded)).toEqual(['lazy 0', 'bounce-strict 1', 'strict 2', 'passthrough -1']);
    expect(recorded.parameters.domains).toHaveLength(3);
    expect(recorded.deviceByName.get(C)).toBe(2);
  });

  it('translated groups have domains in the order of their numbers; a group is one domain', () => {
    const recorded = machineOf({
      devices: [
        { address: A, protection: 'lazy', group: 9 },
        { address: B, protection: 'identity', group: 3 },
        { address: C, protection: 'strict', group: 4 },
        { address: '0000:03:00.0', protection: 'lazy', group: 9 },
      ],
    });
    expect(policiesOf(recorded)).toEqual(['lazy 1', 'passthrough -1', 'strict 0', 'lazy 1']);
  });

  it('a policy that is chosen for one device holds for its group, and gives or takes a domain', () => {
    const machine: TestMachine = {
      devices: [
        { address: A, protection: 'lazy', group: 1 },
        { address: B, protection: 'lazy', group: 1 },
        { address: C, protection: 'identity', group: 0 },
      ],
    };
    const choose: PolicyChoice = ({ name }) => (name === B ? bounceStrict : name === C ? strict : undefined);
    expect(policiesOf(machineOf(machine, choose))).toEqual(['bounce-strict 1', 'bounce-strict 1', 'strict 0']);
    expect(policiesOf(machineOf(machine, () => passthrough))).toEqual(['passthrough -1', 'passthrough -1', 'passthrough -1']);
  });

  it.each([
    ['intel_iommu=on', true, false],
    ['intel_iommu=on iommu.forcedac=1', false, false],
    ['iommu.forcedac', false, false],
    ['swiotlb=force', true, true],
    ['swiotlb=65536,2,force quiet', true, true],
    ['swiotlb=noforce', true, false],
    ['iommu.strict=1 swiotlb=4096', true, false],
  ])('kernel command line %s', (commandLine, triesLowFirst, forced) => {
    const { parameters } = machineOf({ devices: [{ address: A, protection: 'lazy' }], commandLine });
    expect(parameters.devices[0].triesLowFirst).toBe(triesLowFirst);
    expect(parameters.swiotlb!.forced).toBe(forced);
  });

  it('requester ids are those of the addresses, and unlike any of them for what is not on PCI', () => {
    const { parameters } = machineOf({
      devices: [
        { address: A, protection: 'lazy' },
        { address: C, protection: 'lazy' },
        { address: 'platform-device', protection: 'lazy' },
      ],
    });
    expect(parameters.devices.map(({ sourceId }) => sourceId)).toEqual([0x0028, 0x02fb, 0xff02]);
  });

  it('limits come from the description and from what is known of the driver', () => {
    const { parameters } = machineOf({
      devices: [
        { address: A, protection: 'lazy', maskBits: 32 },
        { address: B, protection: 'untrusted', driver: 'nvme' },
      ],
    });
    expect(parameters.devices[0]).toMatchObject({
      dmaMask: 0xffffffff,
      coherentDmaMask: 0xffffffff,
      minAlignMask: 0,
      maxSegmentBytes: 65536,
      untrusted: false,
    });
    expect(parameters.devices[1]).toMatchObject({ dmaMask: Infinity, minAlignMask: 4095, maxSegmentBytes: 0xffffffff, untrusted: true });
  });

  it('kernel, CPUs, ticks, unit and pool', () => {
    const { parameters } = machineOf({ devices: [], kernel: '6.1', cpus: 4, hz: 1000, cachingMode: true, slots: 2048, areas: 4 });
    expect(parameters).toMatchObject({ kernel: '6.1', possibleCpus: 4, onlineCpus: 4, hz: 1000, memory: 'accounting' });
    expect(parameters.iommu!.capability.cachingMode).toBe(true);
    expect(parameters.swiotlb).toMatchObject({ start: POOL_START, slots: 2048, areas: 4 });
  });

  it('host-bridge windows are reserved before the interrupt window', () => {
    const { parameters } = machineOf({ devices: [{ address: A, protection: 'lazy' }], lowPages: 256 });
    expect(parameters.domains[0].reserved).toEqual([
      { loPfn: 1, hiPfn: 0xffeff },
      { loPfn: 0xfee00, hiPfn: 0xfeeff },
    ]);
  });
});

/** Goal: without a description the trace says what it can. */
describe('machine of a trace alone', () => {
  it('devices, trust and pool are inferred; each device is its own group', () => {
    const trace = new TraceText();
    for (let page = 1; page <= 4; page++) {
      const iova = 2 ** 32 - page * 4096;
      trace.add(
        task(1),
        bouncedText(B, 0x105000123, 60),
        mapText(iova, POOL_START + page * 4096, 4096),
        mapPageText(B, iova, 60, 0x105000123),
      );
      trace.add(task(1), mapPageText(A, 0x105000000 + page, 60, 0x105000000 + page));
    }
    const recorded = recordingFromText(trace.toString()).machine();
    expect(recorded.devices).toMatchObject([
      { name: B, untrusted: true, group: 10_000, driver: undefined },
      { name: A, untrusted: false, domainType: 'identity', group: 10_001 },
    ]);
    expect(recorded.parameters).toMatchObject({ kernel: '6.12', possibleCpus: 1, hz: 250 });
    expect(recorded.parameters.swiotlb!.start).toBe(POOL_START + 4096);
  });
});
