import { LabError } from 'dmalab-core';
import { describe, expect, it } from 'vitest';
import { type FaultLine, parseFaultLine, parseFaultLog } from './fault-line.ts';

const DEVICE = '0000:02:00.0';

/** What a line says, without what it does not say. */
function said(text: string): Partial<FaultLine> {
  const { text: _text, ...fault } = parseFaultLine(text);
  return Object.fromEntries(Object.entries(fault).filter(([, value]) => value !== null && value !== false));
}

const write = { reporter: 'VT-d', device: DEVICE, address: 0xffef6000, isWrite: true, reason: 5 };
const read = { reporter: 'VT-d', device: DEVICE, address: 0x2231b8000, reason: 6 };

describe('a fault line of VT-d', () => {
  it.each([
    [
      '6.12',
      '[327.753902] DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0xffef6000 [fault reason 0x05] PTE Write access is not set',
      { ...write, seconds: 327.753902 },
    ],
    [
      'dmesg with blanks and a caller',
      '[  327.753902][   T93] DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0xffef6000 [fault reason 0x05] PTE Write',
      { ...write, seconds: 327.753902 },
    ],
    [
      'a priority in front',
      '<3>[    5.000001] DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0xffef6000 [fault reason 0x05] PTE Write',
      { ...write, seconds: 5.000001 },
    ],
    [
      'journal',
      'Jan 04 23:12:54 host kernel: DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0xffef6000 [fault reason 0x05] PTE Write',
      write,
    ],
    [
      'syslog with a boot time',
      'Jan  4 23:12:54 host kernel: [  327.753902] DMAR: [DMA Write] Request device [02:00.0] fault addr ffef6000 [fault reason 05] PTE',
      { ...write, seconds: 327.753902 },
    ],
    [
      'wall-clock dmesg',
      '[Thu Jan  4 23:12:54 2024] DMAR: [DMA Write] Request device [02:00.0] fault addr ffef6000 [fault reason 05] PTE Write',
      write,
    ],
    [
      'time since the line before',
      '[  +0.000012] DMAR: [DMA Write] Request device [02:00.0] fault addr ffef6000 [fault reason 05] PTE Write',
      write,
    ],
    ['4.x', 'DMAR: [DMA Write] Request device [02:00.0] fault addr ffef6000 [fault reason 05] PTE Write access is not set', write],
    [
      '3.x on two lines',
      'dmar: DMAR:[DMA Read] Request device [02:00.0] fault addr 2231b8000 \nDMAR:[fault reason 06] PTE Read access is not set',
      read,
    ],
    [
      'a decimal reason',
      'DMAR:[DMA Read] Request device [02:00.0] fault addr 2231b8000\r\nDMAR:[fault reason 12] non-zero reserved fields in PTE',
      { ...read, reason: 12 },
    ],
    [
      'without its reason',
      'DMAR: [DMA Read] Request device [02:00.0] fault addr 2231b8000',
      { reporter: 'VT-d', device: DEVICE, address: 0x2231b8000 },
    ],
    [
      '5.4 without PASID',
      'DMAR: [DMA Read] Request device [02:00.0] PASID ffffffff fault addr 2231b8000 [fault reason 06] PTE Read access is not set',
      read,
    ],
    [
      '5.4 with PASID',
      'DMAR: [DMA Read] Request device [02:00.0] PASID 2a fault addr 2231b8000 [fault reason 06] PTE Read access is not set',
      { ...read, pasid: 0x2a },
    ],
    [
      '6.12 with PASID',
      'DMAR: [DMA Read PASID 0x1] Request device [02:00.0] fault addr 0x2231b8000 [fault reason 0x71] SM: Present bit in first-level',
      { ...read, reason: 0x71, pasid: 1 },
    ],
    [
      'a segment in the address',
      'DMAR: [DMA Read NO_PASID] Request device [0001:02:00.0] fault addr 0x2231b8000 [fault reason 0x06] PTE',
      { ...read, device: '0001:02:00.0' },
    ],
    [
      'broken and quoted by mail',
      '> > DMAR: [DMA Read] Request device [02:00.0] fault addr 2231b8000 [fault\n> > reason 06] PTE Read access is not set',
      read,
    ],
    [
      'broken before the address',
      'DMAR: [DMA Read] Request device [02:00.0] PASID ffffffff\n      fault addr 2231b8000 [fault reason 06] PTE Read access is not set',
      read,
    ],
  ])('%s', (_, text, expected) => {
    expect(said(text)).toEqual(expected);
  });

  it('about an interrupt has no address', () => {
    const expected = { reporter: 'VT-d', device: '0000:09:00.0', reason: 0x25, isInterrupt: true };
    expect(
      said('DMAR: [INTR-REMAP] Request device [09:00.0] fault index 0x8080 [fault reason 0x25] Blocked a compatibility format interrupt'),
    ).toEqual(expected);
    expect(said('INTR-REMAP: Request device [[09:00.0] fault index 0\nINTR-REMAP:[fault reason 37] Blocked a compatibility')).toEqual(
      expected,
    );
  });
});

describe('a fault line of another unit', () => {
  const amd = { reporter: 'AMD-Vi', device: DEVICE, address: 0x64a7f300 };

  it.each([
    ['AMD before 4.17', 'AMD-Vi: Event logged [IO_PAGE_FAULT device=02:00.0 domain=0x001d address=0x0000000064a7f300 flags=0x0000]', amd],
    [
      'AMD with the device in front',
      '[  262.094625] nvme 0000:02:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0010 address=0x64a7f300 flags=0x0000]',
      { ...amd, seconds: 262.094625 },
    ],
    ['AMD with a segment', 'AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:02:00.0 domain=0x0000 address=0x64a7f300 flags=0x0000]', amd],
    [
      'AMD write to a present page',
      'AMD-Vi: Event logged [IO_PAGE_FAULT device=02:00.0 domain=0x0000 address=0x64a7f300 flags=0x0030]',
      { ...amd, isWrite: true },
    ],
    ['AMD broken by mail', 'nvme 0000:02:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0000\naddress=0x64a7f300 flags=0x0000]', amd],
    [
      'AMD interrupt',
      'AMD-Vi: Event logged [IO_PAGE_FAULT device=02:00.0 domain=0x0000 address=0xfdf8000000 flags=0x0008]',
      { reporter: 'AMD-Vi', device: DEVICE, isInterrupt: true },
    ],
    [
      'SMMUv2',
      '[   74.959989] arm-smmu fd800000.smmu: Unhandled context fault: fsr=0x402, iova=0x3165687460, fsynr=0x20011, cbfrsynra=0x877, cb=1',
      { reporter: 'Arm SMMU', address: 0x3165687460, isWrite: true, seconds: 74.959989 },
    ],
    [
      'SMMUv3',
      'arm-smmu-v3 fc900000.iommu: event: F_TRANSLATION client: 0000:02:00.0 sid: 0x100 ssid: 0x0 iova: 0x90000f040 ipa: 0x0\narm-smmu-v3 fc900000.iommu: unpriv data write s1 "Input address caused fault" stag: 0x0',
      { reporter: 'Arm SMMU', device: DEVICE, address: 0x90000f040, isWrite: true },
    ],
    [
      'the trace',
      '  <idle>-0  [000] d.h1.    26.268123: io_page_fault: IOMMU:nvme 0000:02:00.0 iova=0x00000000ffff8040 flags=0x0001',
      { reporter: 'trace event', device: DEVICE, address: 0xffff8040, isWrite: true, seconds: 26.268123 },
    ],
  ])('%s', (_, text, expected) => {
    expect(said(text)).toEqual(expected);
  });
});

describe('a log', () => {
  it('gives its faults in order and what the kernel did not print', () => {
    const log = parseFaultLog(
      [
        '[   10.000000] e1000e 0000:02:00.0 eth1: NIC Link is Up',
        '[   29.045700] DMAR: DRHD: handling fault status reg 2',
        '[   29.045701] DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0x1000 [fault reason 0x05] PTE Write',
        '[   29.045702] DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0x2000 [fault reason 0x05] PTE Write',
        '[   29.050000] dmar_fault: 17 callbacks suppressed',
        '[   29.051000] DMAR:[DMA Read] Request device [02:00.0] fault addr 3000 ',
        '[   29.051000] DMAR:[fault reason 06] PTE Read access is not set',
        '[   29.060000] DMAR: [DMA Atomic] Request device [02:00.0] does what no kernel prints',
      ].join('\n'),
    );
    expect(log.faults.map(({ address, reason }) => [address, reason])).toEqual([
      [0x1000, 5],
      [0x2000, 5],
      [0x3000, 6],
    ]);
    expect(log).toMatchObject({ lines: 8, suppressed: 17, notUnderstood: 1 });
  });

  it('may have none', () => {
    expect(parseFaultLog('nothing\n')).toEqual({ faults: [], lines: 2, suppressed: 0, notUnderstood: 0 });
  });
});

describe('what is no fault line', () => {
  it.each(['', 'DMAR: DRHD: handling fault status reg 2', `${'x'.repeat(200)}\u001b[2J`])('is refused: %s', (text) => {
    const error = (() => {
      try {
        parseFaultLine(text);
      } catch (thrown) {
        return thrown;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(LabError);
    expect(error).toMatchObject({ code: 'EXP003' });
    expect((error as LabError).got!.length).toBeLessThanOrEqual(83);
    expect((error as LabError).got).toMatch(/^[\x20-\x7e]+$/);
  });
});
