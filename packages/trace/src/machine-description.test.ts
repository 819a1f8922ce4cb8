import { LabError } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { emptyMachineDescription, machinePathFor, parseMachineDescription } from './machine-description.ts';

const good = {
  kernelRelease: '6.12.107+deb13-amd64',
  kernelVersion: '#1 SMP',
  architecture: 'x86_64',
  kernelCommandLine: 'quiet',
  kernelHz: 250,
  possibleCpus: '0-2,5',
  onlineCpus: '0',
  invalidationPolicy: 'lazy',
  vtd: { version: '1:0', cap: '0xd2008c222f0606', ecap: '0xf00f4a' },
  swiotlb: { start: '0x7bc8d000', endExclusive: '0x7fc8d000', slots: 32768, areas: 4 },
  hostBridgeWindows: [{ start: '0x000a0000', end: '0x000bffff' }],
  reservedRegions: [{ iommuGroup: 1, start: '0xfee00000', end: '0xfeefffff', type: 'msi' }],
  devices: [
    {
      address: '0000:00:05.0',
      vendorId: '0x8086',
      deviceId: '0x10d3',
      classCode: '0x020000',
      driver: null,
      dmaMaskBits: 64,
      iommuGroup: 1,
      domainType: 'DMA-FQ',
      removable: false,
    },
  ],
  memoryMap: ['0x0000000000100000-0x000000007ffcffff] usable'],
  lostEvents: 0,
  recordedOn: 'a test',
};

function parse(change: Record<string, unknown> = {}): ReturnType<typeof parseMachineDescription> {
  return parseMachineDescription(JSON.stringify({ ...good, ...change }), 'x.machine.json');
}

function refusal(text: string): LabError {
  try {
    parseMachineDescription(text, 'x.machine.json');
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    return error as LabError;
  }
  throw new Error('not refused');
}

describe('machine description', () => {
  it('reads numbers, ranges, registers and CPU lists', () => {
    const machine = parse();
    expect(machine.possibleCpus).toEqual([0, 1, 2, 5]);
    expect(machine.vtd).toEqual({ version: '1:0', cap: { high: 0xd2008c, low: 0x222f0606 }, ecap: { high: 0, low: 0xf00f4a } });
    expect(machine.swiotlb).toEqual({ start: 0x7bc8d000, endExclusive: 0x7fc8d000, slots: 32768, areas: 4 });
    expect(machine.hostBridgeWindows).toEqual([{ start: 0xa0000, end: 0xbffff }]);
    expect(machine.reservedRegions).toEqual([{ iommuGroup: 1, start: 0xfee00000, end: 0xfeefffff, type: 'msi' }]);
    expect(machine.memoryMap).toEqual([{ start: 0x100000, end: 0x7ffcffff, type: 'usable' }]);
    expect(machine.devices[0]).toMatchObject({ vendorId: 0x8086, driver: undefined, domainType: 'DMA-FQ', removable: false });
    expect([machine.unknownFields, machine.contradictions]).toEqual([[], []]);
  });

  it('takes null and missing fields for unknown', () => {
    const nulls = Object.fromEntries(Object.keys(good).map((name) => [name, null]));
    expect(parseMachineDescription(JSON.stringify(nulls))).toEqual(emptyMachineDescription());
    expect(emptyMachineDescription()).toMatchObject({ kernelHz: undefined, devices: [], possibleCpus: [], contradictions: [] });
  });

  it('lists fields that it does not know', () => {
    const machine = parse({ serial: 1, devices: [{ ...good.devices[0], slot: 'x' }], vtd: { ...good.vtd, units: 2 } });
    expect(machine.unknownFields).toEqual(['serial', 'vtd.units', 'devices[0].slot']);
  });

  const wrong: readonly (readonly [string, unknown, string, string])[] = [
    ['kernelHz', '250', 'MCH002', 'kernelHz'],
    ['kernelHz', 0.5, 'MCH003', 'kernelHz'],
    ['possibleCpus', '0-x', 'MCH004', 'possibleCpus'],
    ['possibleCpus', '3-1', 'MCH004', 'possibleCpus'],
    ['invalidationPolicy', 'never', 'MCH002', 'invalidationPolicy'],
    ['vtd', { cap: '0x1' }, 'MCH002', 'vtd.ecap'],
    ['vtd', { cap: 'd2', ecap: '0x1' }, 'MCH003', 'vtd.cap'],
    ['swiotlb', [], 'MCH002', 'swiotlb'],
    ['swiotlb', { start: '0x2000', endExclusive: '0x1000' }, 'MCH005', 'swiotlb.endExclusive'],
    ['hostBridgeWindows', {}, 'MCH002', 'hostBridgeWindows'],
    [
      'hostBridgeWindows',
      [
        { start: '0x0', end: '0x1' },
        { start: '0x5', end: '0x4' },
      ],
      'MCH005',
      'hostBridgeWindows[1].end',
    ],
    ['hostBridgeWindows', [{ start: '0xffffffffffffff', end: '0x4' }], 'MCH003', 'hostBridgeWindows[0].start'],
    ['devices', [{ driver: 'x' }], 'MCH002', 'devices[0].address'],
    ['devices', [{ address: 'x', domainType: 'dma' }], 'MCH002', 'devices[0].domainType'],
    ['devices', [{ address: 'x', removable: 'yes' }], 'MCH002', 'devices[0].removable'],
    ['devices', [{ address: 'x', dmaMaskBits: 65 }], 'MCH003', 'devices[0].dmaMaskBits'],
    ['memoryMap', ['all'], 'MCH003', 'memoryMap[0]'],
    ['memoryMap', [1], 'MCH002', 'memoryMap[0]'],
  ];
  it.each(wrong)('refuses %s = %j with %s at %s', (name, value, code, path) => {
    const error = refusal(JSON.stringify({ ...good, [name]: value }));
    expect(error.code).toBe(code);
    expect(error.message).toBe(`The machine description is wrong at ${path}.`);
    expect(error.toText()).toMatch(/^[\x20-\x7e\n]+$/);
  });

  it.each(['', '{', 'trace', '\u202e'])('refuses what is not JSON: %j', (text) => {
    expect(refusal(text).code).toBe('MCH001');
    expect(refusal(text).toText()).toMatch(/^[\x20-\x7e\n]+$/);
  });

  it.each(['[]', 'null', '3'])('refuses JSON that is no object: %s', (text) => {
    expect(refusal(text).code).toBe('MCH002');
  });

  it('finds statements that do not agree', () => {
    const device = good.devices[0];
    const machine = parse({
      onlineCpus: '0,7',
      swiotlb: { ...good.swiotlb, slots: 256 },
      devices: [
        device,
        device,
        { ...device, address: '0000:00:06.0', domainType: 'DMA' },
        { ...device, address: '0000:00:07.0', iommuGroup: 9 },
      ],
    });
    expect(machine.contradictions).toEqual([
      'swiotlb: 256 slots do not fit a range of 32768 slots',
      'swiotlb: 4 areas need 512 slots, the pool has 256',
      'onlineCpus: CPU 7 is not among possibleCpus',
      'devices: 0000:00:05.0 is listed twice',
      'devices: 0000:00:06.0 has domain type DMA, its group 1 has DMA-FQ',
      'devices: 0000:00:07.0 is in group 9, which has no reserved region',
    ]);
  });

  it.each([
    ['dock.trace.gz', 'dock.machine.json'],
    ['a/dock.trace', 'a/dock.machine.json'],
    ['dock.txt', 'dock.machine.json'],
    ['dock.txt.gz', 'dock.machine.json'],
    ['linux-6.12.trace.gz', 'linux-6.12.machine.json'],
    ['dock', 'dock.machine.json'],
  ])('stands beside %s as %s', (trace, machine) => {
    expect(machinePathFor(trace)).toBe(machine);
  });
});
