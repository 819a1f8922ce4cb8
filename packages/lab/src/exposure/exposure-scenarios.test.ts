import { bounceStrict, Direction, lazy, PAGE_SIZE, type ProtectionPolicy, passthrough, pciDevice, pcMachine, strict } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { AuditedMachine } from '../testing/audited-machine.ts';
import { ExposureAuditor } from './exposure-auditor.ts';
import { AccessKind, ExposureMeasure } from './exposure-class.ts';
import { type AccessExposure, type DeviceExposure, type ExposureFigures, exposureFigures } from './exposure-figures.ts';

const KIB = 1024;
const MS = 1e6;
const SECOND = 1e9;
const PAGE = 0x200000;
const NIC = 0;
const DISK = 1;
const { FROM_DEVICE, TO_DEVICE, BIDIRECTIONAL } = Direction;

/** A machine with a NIC and a disk, each in a domain of its own, followed from 5 s on. */
class Bench {
  readonly audited: AuditedMachine;
  readonly auditor: ExposureAuditor;

  constructor(policies: readonly ProtectionPolicy[], segmentBoundaryMask = 0xffffffff) {
    let domains = 0;
    const devices = policies.map((policy, index) => ({
      ...pciDevice(index, policy, policy.translated ? domains++ : -1),
      segmentBoundaryMask,
      maxSegmentBytes: 2 ** 20,
    }));
    const parameters = pcMachine(policies, { memory: 'accounting', devices, possibleCpus: 1 });
    let auditor!: ExposureAuditor;
    this.audited = new AuditedMachine(parameters, (machine) => {
      auditor = new ExposureAuditor(machine);
      return [auditor];
    });
    this.auditor = auditor;
    this.audited.wait(5 * SECOND);
  }

  now(device: number, measure: keyof typeof ExposureMeasure, access: AccessKind = AccessKind.EITHER): number {
    this.auditor.callBegins(0, this.audited.nowNs);
    return this.auditor.meter.bytesNow(device, access, ExposureMeasure[measure]);
  }

  figures(): ExposureFigures {
    this.audited.finish();
    const { devices } = this.audited.machine;
    return exposureFigures(this.auditor, {
      shown: devices.map(({ index }) => index),
      names: ['nic', 'disk'],
      domains: devices.map(({ domain }) => domain?.index ?? -1),
      flushes: 'model',
      loss: false,
    });
  }
}

const peaks = (access: AccessExposure | null): Record<string, number | null> =>
  Object.fromEntries(
    Object.entries(access!)
      .filter(([, held]) => held.peak.value > 0)
      .map(([name, held]) => [name, held.peak.value]),
  );
const stale = ({ stale: { other, ownSlots } }: DeviceExposure): object => ({
  windows: other.windows.value,
  longest: other.longest.value,
  insideCall: other.windowsInsideCall.value,
  pagesInsideCall: other.pagesInsideCall.value,
  ownInsideCall: ownSlots.windowsInsideCall.value,
});

describe('two buffers of 2 KiB of different devices on one page, held for a second', () => {
  const run = (policy: ProtectionPolicy): ExposureFigures => {
    const bench = new Bench([policy, policy]);
    const { audited } = bench;
    const packet = audited.mapPage(NIC, PAGE, 2 * KIB, FROM_DEVICE)!;
    const block = audited.mapPage(DISK, PAGE + 2 * KIB, 2 * KIB, TO_DEVICE)!;
    audited.wait(SECOND);
    audited.unmap(packet);
    audited.unmap(block);
    audited.wait(20 * MS);
    return bench.figures();
  };

  it('strict: each reaches the other half; what is left inside the calls has no length', () => {
    const { devices, coLocations, total } = run(strict);
    // While the NIC's buffer is alone on the page, the other half is nobody's that the trace knows.
    expect(peaks(devices[NIC].either)).toEqual({ ownLive: 2048, neighbour: 2048, otherDevice: 2048, subPage: 2048 });
    expect(peaks(devices[DISK].read)).toEqual({ ownLive: 2048, neighbour: 2048, otherDevice: 2048, subPage: 2048 });
    expect(peaks(devices[DISK].write)).toEqual({});
    expect(devices[NIC].either!.otherDevice.byteSeconds.value).toBe(2048);
    expect(total.either!.subPage.peak.value).toBe(4096);
    expect(stale(devices[NIC])).toEqual({ windows: 0, longest: null, insideCall: 1, pagesInsideCall: 1, ownInsideCall: 0 });
    expect(devices[DISK].stale.writeAfterUnmap.windowsInsideCall.value).toBe(0);
    expect(coLocations.pairs).toMatchObject([
      { device: 'nic', otherDevice: 'disk', count: 1, bytesPeak: { value: 2048 }, byteSeconds: { value: 2048 } },
      { device: 'disk', otherDevice: 'nic', count: 1, bytesPeak: { value: 2048 }, byteSeconds: { value: 2048 } },
    ]);
    expect(coLocations.worst[0]).toEqual({
      device: 'disk',
      otherDevice: 'nic',
      line: 2,
      otherLine: 1,
      throughStale: false,
      pageAddress: PAGE,
      bytes: 2048,
      sinceNs: 5 * SECOND,
      durationNs: SECOND,
      byteSeconds: 2048,
    });
  });

  it('lazy: the same, and the page stays reachable until the timer fires', () => {
    const { devices } = run(lazy);
    expect(peaks(devices[NIC].write)).toEqual({
      ownLive: 2048,
      neighbour: 2048,
      otherDevice: 2048,
      stale: 4096,
      subPage: 2048,
      afterUnmap: 4096,
    });
    expect(stale(devices[NIC])).toEqual({ windows: 1, longest: 16 * MS, insideCall: 0, pagesInsideCall: 0, ownInsideCall: 0 });
    // The disk could only read.
    expect(devices[DISK].stale.writeAfterUnmap.windows.value).toBe(0);
    expect(devices[DISK].stale.other.windows.value).toBe(1);
    expect(devices[NIC].stale.other.longestLine).toBe(3);
  });

  it('bounce-strict: nothing foreign; the rest of each slot page is cleared padding', () => {
    const { devices, coLocations } = run(bounceStrict);
    for (const device of devices) expect(peaks(device.read)).toEqual({ ownLive: 2048, ownPadding: 2048 });
    expect(stale(devices[NIC])).toEqual({ windows: 0, longest: null, insideCall: 0, pagesInsideCall: 0, ownInsideCall: 1 });
    expect(coLocations.pairs).toEqual([]);
  });

  it('one bounced, one direct: the direct one reaches the original of the bounced one', () => {
    const bench = new Bench([strict, bounceStrict]);
    bench.audited.mapPage(NIC, PAGE, 2 * KIB, FROM_DEVICE);
    bench.audited.mapPage(DISK, PAGE + 2 * KIB, 2 * KIB, TO_DEVICE);
    expect(bench.now(NIC, 'OTHER_DEVICE')).toBe(2048);
    expect(bench.now(DISK, 'OTHER_DEVICE')).toBe(0);
  });

  it('passthrough: all memory is no number, and the other one still finds its neighbour named', () => {
    const bench = new Bench([passthrough, strict]);
    bench.audited.mapPage(NIC, PAGE, 2 * KIB, FROM_DEVICE);
    bench.audited.mapPage(DISK, PAGE + 2 * KIB, 2 * KIB, TO_DEVICE);
    const { devices, total, coLocations } = bench.figures();
    expect(devices[NIC]).toMatchObject({ reach: 'all memory', either: null, series: null, reuse: { otherDevice: { value: null } } });
    expect(total.reach).toBe('all memory');
    expect(peaks(devices[DISK].either)).toEqual({ ownLive: 2048, otherDevice: 2048, subPage: 2048 });
    expect(coLocations.pairs).toMatchObject([{ device: 'disk', otherDevice: 'nic', count: 1 }]);
  });
});

describe('one page, several mappings of one device', () => {
  it('strict: a fragment that was unmapped stays reachable through the second mapping, as neighbour', () => {
    const bench = new Bench([strict]);
    const first = bench.audited.mapPage(NIC, PAGE, 2 * KIB, FROM_DEVICE)!;
    const second = bench.audited.mapPage(NIC, PAGE + 2 * KIB, 2 * KIB, FROM_DEVICE)!;
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([4096, 0]);
    bench.audited.unmap(first);
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([2048, 2048]);
    bench.audited.unmap(second);
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([0, 0]);
    expect(bench.auditor.pagesHeld).toBe(0);
  });

  it('lazy: the write right of an entry that was cleared outlives it on a page that is still mapped for reading', () => {
    const bench = new Bench([lazy]);
    bench.audited.mapPage(NIC, PAGE, 1 * KIB, TO_DEVICE);
    const written = bench.audited.mapPage(NIC, PAGE + 2 * KIB, 2 * KIB, FROM_DEVICE)!;
    bench.audited.unmap(written);
    expect(bench.now(NIC, 'STALE', AccessKind.READ)).toBe(0);
    expect(bench.now(NIC, 'NEIGHBOUR', AccessKind.READ)).toBe(3072);
    expect(bench.now(NIC, 'STALE', AccessKind.WRITE)).toBe(3072);
    // The buffer that is still mapped is not the CPU's.
    expect(bench.now(NIC, 'AFTER_UNMAP', AccessKind.WRITE)).toBe(3072);
    bench.audited.wait(16 * MS);
    expect(bench.now(NIC, 'STALE', AccessKind.WRITE)).toBe(0);
  });

  it('two mappings of the same bytes count once', () => {
    const bench = new Bench([strict]);
    bench.audited.mapPage(NIC, PAGE + 100, 1000, FROM_DEVICE);
    bench.audited.mapPage(NIC, PAGE + 600, 1000, FROM_DEVICE);
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([1500, 2596]);
  });
});

describe('lazy windows', () => {
  it.each([
    [0, 16],
    [1, 15],
    [3.999, 12.001],
  ])('%d ms after a tick of 4 ms last %d ms', (offsetMs, lengthMs) => {
    const bench = new Bench([lazy]);
    const buffer = bench.audited.mapPage(NIC, PAGE, PAGE_SIZE, FROM_DEVICE)!;
    bench.audited.wait(offsetMs * MS);
    bench.audited.unmap(buffer);
    bench.audited.wait(SECOND);
    const { stale: windows, write } = bench.figures().devices[NIC];
    expect(windows.other.longest).toEqual({ value: lengthMs * MS, unit: 'ns', basis: 'model' });
    expect(write!.stale.byteSeconds.value).toBeCloseTo((4096 * lengthMs) / 1000, 9);
  });

  it('a mapping inside one is a reuse: of the same device, of another one, and only while it lasts', () => {
    const bench = new Bench([lazy, strict]);
    const { audited } = bench;
    const buffer = audited.mapPage(NIC, PAGE, PAGE_SIZE, FROM_DEVICE)!; // line 1
    audited.wait(1 * MS);
    audited.unmap(buffer); // line 2
    audited.wait(2 * MS);
    const again = audited.mapPage(NIC, PAGE + 512, 512, FROM_DEVICE)!; // line 3
    audited.mapPage(DISK, PAGE + 3 * KIB, 512, TO_DEVICE); // line 4
    expect(bench.now(NIC, 'OTHER_DEVICE')).toBe(512);
    audited.unmap(again); // line 5
    audited.wait(20 * MS);
    audited.mapPage(DISK, PAGE, 512, TO_DEVICE); // line 6, after the window
    const { devices, reuses } = bench.figures();
    expect(devices[NIC].reuse.sameDevice).toEqual({ value: 1, unit: 'mappings', basis: 'model', lowerBound: true });
    expect(devices[NIC].reuse.otherDevice.value).toBe(1);
    expect(devices[NIC].reuse.otherDeviceBytes.value).toBe(512);
    expect(devices[DISK].reuse.otherDevice.value).toBe(0);
    expect(reuses).toEqual([
      { device: 'nic', byDevice: 'nic', unmapLine: 2, mapLine: 3, pageAddress: PAGE, timeNs: 5 * SECOND + 3 * MS },
      { device: 'nic', byDevice: 'disk', unmapLine: 2, mapLine: 4, pageAddress: PAGE, timeNs: 5 * SECOND + 3 * MS },
    ]);
  });

  it('one that is open at the end counts as far as it has come', () => {
    const bench = new Bench([lazy]);
    bench.audited.unmap(bench.audited.mapPage(NIC, PAGE, PAGE_SIZE, FROM_DEVICE)!);
    bench.audited.wait(5 * MS);
    expect(bench.figures().devices[NIC].stale.other).toMatchObject({ windows: { value: 1 }, longest: { value: 5 * MS } });
  });

  it('a full ring ends the windows of the ring; the unmap that found it full closes its own inside the call', () => {
    const bench = new Bench([lazy]);
    for (let index = 0; index < 256; index++) bench.audited.unmap(bench.audited.mapPage(NIC, PAGE + index * PAGE_SIZE, 64, FROM_DEVICE)!);
    expect(bench.now(NIC, 'STALE')).toBe(0);
    expect(bench.auditor.meter.bytesPeak(NIC, AccessKind.EITHER, ExposureMeasure.STALE)).toBe(255 * PAGE_SIZE);
    expect(stale(bench.figures().devices[NIC])).toMatchObject({ windows: 255, longest: 0, insideCall: 1, pagesInsideCall: 1 });
  });
});

describe('what a call maps', () => {
  it('coherent memory is whole pages, whatever size was asked for', () => {
    const bench = new Bench([strict]);
    const memory = bench.audited.allocate(NIC, PAGE, 5000)!;
    expect([bench.now(NIC, 'OWN_COHERENT'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([8192, 0]);
    bench.audited.unmap(memory);
    expect(bench.now(NIC, 'OWN_COHERENT')).toBe(0);
  });

  it('a large buffer exposes the rest of its first and of its last page', () => {
    const bench = new Bench([strict]);
    bench.audited.mapPage(NIC, PAGE + 1000, 4 * KIB * KIB, FROM_DEVICE);
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([4 * KIB * KIB, 4096]);
  });

  it('entries of a list that become one segment are found page by page', () => {
    const bench = new Bench([strict]);
    const pages = [PAGE + 7 * PAGE_SIZE, PAGE + 3 * PAGE_SIZE, PAGE];
    const list = bench.audited.mapList(NIC, pages, [PAGE_SIZE, PAGE_SIZE, 100], FROM_DEVICE)!;
    expect(list.segments).toHaveLength(1);
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([8292, 3996]);
    // The end of the list's memory, and not what follows its first entry in memory, is live.
    bench.audited.mapPage(NIC, PAGE + 3 * PAGE_SIZE + 50, 10, FROM_DEVICE);
    expect(bench.now(NIC, 'OWN_LIVE')).toBe(8292);
  });

  it('padding of a list at a segment boundary is a neighbour', () => {
    const bench = new Bench([strict], 0x3fff);
    bench.audited.mapList(NIC, [PAGE, PAGE + 0x10000], [3 * PAGE_SIZE, 2 * PAGE_SIZE], FROM_DEVICE);
    // The second entry would cross 16 KiB, so the page after the first one is mapped too.
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([5 * PAGE_SIZE, PAGE_SIZE]);
  });

  it('an unmap that names too short a length leaves a page reachable that is no longer a buffer', () => {
    const bench = new Bench([strict]);
    const registers = bench.audited.mapResource(NIC, PAGE, 3 * PAGE_SIZE, BIDIRECTIONAL)!;
    expect(bench.now(NIC, 'OWN_LIVE')).toBe(3 * PAGE_SIZE);
    bench.audited.unmap(registers, 0, PAGE_SIZE);
    expect([bench.now(NIC, 'OWN_LIVE'), bench.now(NIC, 'NEIGHBOUR')]).toEqual([0, 2 * PAGE_SIZE]);
  });

  it('a part of a superpage takes the whole superpage with it', () => {
    const bench = new Bench([lazy]);
    const registers = bench.audited.mapResource(NIC, 0x40000000, 2 * KIB * KIB, BIDIRECTIONAL)!;
    bench.audited.unmap(registers, 0, PAGE_SIZE);
    expect([bench.now(NIC, 'NEIGHBOUR'), bench.now(NIC, 'STALE')]).toEqual([0, 2 * KIB * KIB]);
  });

  it('for the device to read gives nothing to write', () => {
    const bench = new Bench([lazy]);
    const buffer = bench.audited.mapPage(NIC, PAGE, 100, TO_DEVICE)!;
    expect([bench.now(NIC, 'OWN_LIVE', AccessKind.READ), bench.now(NIC, 'NEIGHBOUR', AccessKind.READ)]).toEqual([100, 3996]);
    expect([bench.now(NIC, 'OWN_LIVE', AccessKind.WRITE), bench.now(NIC, 'NEIGHBOUR', AccessKind.WRITE)]).toEqual([0, 0]);
    bench.audited.unmap(buffer);
    expect(bench.now(NIC, 'AFTER_UNMAP', AccessKind.WRITE)).toBe(0);
    expect(bench.now(NIC, 'STALE', AccessKind.READ)).toBe(4096);
  });
});
