import { describe, expect, it } from 'vitest';
import { StateArena } from '../base/index.ts';
import { FaultReason, FaultRecorder, FaultStatus } from './fault.ts';
import { formatDmarFault, formatSourceId } from './fault-log.ts';

describe('fault records', () => {
  it('fill in ring order and lose faults once they overflow, until software clears', () => {
    const faults = new FaultRecorder(new StateArena(), 'dmar0', 2);
    expect(faults.status).toBe(0);
    expect(faults.record(0x10, 0xfffff, FaultReason.NO_WRITE, true)).toBe(true);
    expect(faults.status).toBe(FaultStatus.PENDING);
    expect(faults.record(0x18, 1, FaultReason.NO_READ, false)).toBe(true);
    expect(faults.record(0x20, 2, FaultReason.NO_READ, false)).toBe(false);
    expect(faults.status).toBe(FaultStatus.PENDING | FaultStatus.OVERFLOW);
    expect([faults.sourceIdAt(0), faults.iovaPfnAt(0), faults.reasonAt(0), faults.isWriteAt(0)]).toEqual([0x10, 0xfffff, 5, true]);
    faults.clearRecord(0);
    expect(faults.status >>> 8).toBe(1);
    expect(faults.record(0x20, 3, FaultReason.NO_READ, false)).toBe(false);
    faults.clearStatus(FaultStatus.OVERFLOW);
    expect(faults.record(0x20, 4, FaultReason.NO_READ, false)).toBe(true);
    expect([faults.iovaPfnAt(0), faults.iovaPfnAt(1), faults.seen, faults.lost]).toEqual([4, 1, 5, 2]);
  });

  it('puts the fields at their bits', () => {
    const faults = new FaultRecorder(new StateArena(), 'dmar0', 1);
    faults.record(0xabcd, 2 ** 45 - 2, FaultReason.NO_READ, false);
    expect([0, 1, 2, 3].map((word) => faults.wordAt(0, word as 0 | 1 | 2 | 3))).toEqual([0xffffe000, 0x1ffffff, 0xabcd, 0xc0000006]);
    expect(faults.iovaPfnAt(0)).toBe(2 ** 45 - 2);
  });
});

describe('log lines', () => {
  it.each([
    [
      0x10,
      0xfffff,
      true,
      5,
      undefined,
      'DMAR: [DMA Write NO_PASID] Request device [00:02.0] fault addr 0xfffff000 [fault reason 0x05] PTE Write access is not set',
    ],
    [
      0x1fb,
      0,
      false,
      6,
      undefined,
      'DMAR: [DMA Read NO_PASID] Request device [01:1f.3] fault addr 0x0 [fault reason 0x06] PTE Read access is not set',
    ],
    [
      0x300,
      2 ** 44,
      false,
      0x79,
      0x1f,
      'DMAR: [DMA Read PASID 0x1f] Request device [03:00.0] fault addr 0x100000000000000 [fault reason 0x79] Unknown',
    ],
  ])('of device %i', (sourceId, page, isWrite, reason, pasid, line) => {
    expect(formatDmarFault(sourceId, page, isWrite, reason, pasid)).toBe(line);
  });

  it('names a device', () => {
    expect(formatSourceId(0xffff)).toBe('ff:1f.7');
  });
});
