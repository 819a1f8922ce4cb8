import { describe, expect, it } from 'vitest';
import { inferMachine, type MachineInference } from './inference.ts';
import { type MachineDescription, parseMachineDescription } from './machine-description.ts';
import { bytesOf } from './row-table.oracle.ts';
import { TraceFacts } from './trace-facts.ts';
import { TraceParser } from './trace-parser.ts';

const NVME = '0000:02:00.0';
const NIC = '0000:00:05.0';

function factsOf(lines: readonly string[]): TraceFacts {
  const facts = new TraceFacts();
  const parser = new TraceParser((batch) => facts.add(batch));
  parser.push(bytesOf(lines.map((line, index) => `t-1 [000] ..... 1.${String(index).padStart(6, '0')}: ${line}\n`).join('')));
  parser.end();
  expect(parser.statistics.notUnderstood).toBe(0);
  return facts;
}

function infer(lines: readonly string[], machine?: Record<string, unknown>): MachineInference {
  const description: MachineDescription | undefined = machine === undefined ? undefined : parseMachineDescription(JSON.stringify(machine));
  return inferMachine(factsOf(lines), description);
}

/** One bounced page mapping: the buffer at `orig`, its slot's page at `slot`, the page at `iova`. */
function bounced(device: string, orig: number, slot: number, iova: number, keepsOffset: boolean): string[] {
  const dmaAddr = iova + (keepsOffset ? orig % 4096 : 0);
  return [
    `swiotlb_bounced: dev_name: ${device} dma_mask=ffffffffffffffff dev_addr=${orig.toString(16)} size=60 NORMAL`,
    `map: IOMMU: iova=0x${iova.toString(16)} paddr=0x${slot.toString(16)} size=4096`,
    `dma_map_page: ${device} dir=TO_DEVICE dma_addr=${dmaAddr.toString(16)} size=60 phys_addr=${orig.toString(16)} attrs=`,
  ];
}

function unmapped(device: string, iova: number, did: number, strict: boolean): string[] {
  return [
    `unmap: IOMMU: iova=0x${iova.toString(16)} size=4096 unmapped_size=4096`,
    ...(strict ? [`qi_submit: iotlb_inv dmar0: 0x${(did * 0x10000 + 0xf2).toString(16)} 0x${iova.toString(16)} 0x0 0x0`] : []),
    `dma_unmap_page: ${device} dir=TO_DEVICE dma_addr=${iova.toString(16)} size=60 attrs=`,
  ];
}

function value(inference: MachineInference, what: string): string | undefined {
  const row = inference.rows.find((candidate) => candidate.what === what);
  return row === undefined ? undefined : `${row.value} (${row.basis})`;
}

const strictTrace = [1, 2, 3].flatMap((page) => [
  ...bounced(NVME, 0x100000 + page * 0x1234, 0x7bc8d000 + page * 0x1000, page * 0x1000, true),
  ...unmapped(NVME, page * 0x1000, 9, true),
  ...bounced(NIC, 0x200000 + page * 0x1042, 0x7bd8d000, 0x80000 + page * 0x1000, false),
  ...unmapped(NIC, 0x80000 + page * 0x1000, 4, true),
]);

/** Goal: each rule fills its gap from the lines that show it, and says so. */
describe('inference without a description', () => {
  it('finds trust, domain, masks, domain ids and the pool of bouncing devices', () => {
    const inference = infer(strictTrace);
    expect(inference.devices).toEqual([
      {
        name: NVME,
        untrusted: true,
        domainType: 'DMA',
        iommuGroup: undefined,
        domainId: 9,
        dmaMaskBits: 64,
        minAlignMask: 4095,
        segmentBytesSeen: 0,
      },
      {
        name: NIC,
        untrusted: true,
        domainType: 'DMA',
        iommuGroup: undefined,
        domainId: 4,
        dmaMaskBits: 64,
        minAlignMask: 0,
        segmentBytesSeen: 0,
      },
    ]);
    expect(inference.pool).toEqual({ start: 0x7bc8e000, endExclusive: 0x7bc8e000 + 32768 * 2048, slots: 32768, areas: 1 });
    expect([inference.kernelRules, inference.kernelHz, inference.cpuCount, inference.hasDescriptors]).toEqual(['6.12', 250, 1, true]);
    expect([value(inference, 'kernel HZ'), value(inference, 'CPUs'), value(inference, `${NIC} min_align_mask`)]).toEqual([
      '250 (default)',
      '1 (inferred)',
      '0 (inferred)',
    ]);
    expect(inference.contradictions).toEqual([]);
  });

  it('tells lazy unmaps, also when another call invalidated in between', () => {
    const lines = [1, 2, 3].flatMap((page) => [
      `dma_map_page: ${NIC} dir=TO_DEVICE dma_addr=${(page * 0x1000).toString(16)} size=60 phys_addr=300000 attrs=`,
      'dma_unmap_sg: 0000:03:00.0 dir=TO_DEVICE phys_addrs={0x5000} attrs=',
      'unmap: IOMMU: iova=0x90000 size=4096 unmapped_size=4096',
      'qi_submit: iotlb_inv dmar0: 0x700f2 0x90000 0x0 0x0',
      ...unmapped(NIC, page * 0x1000, 0, false),
    ]);
    const facts = factsOf(lines);
    expect(facts.devices.get(NIC)).toMatchObject({ strictUnmaps: 0, lazyUnmaps: 3, domainIds: [] });
    expect(facts.devices.get('0000:03:00.0')).toMatchObject({ strictUnmaps: 3, lazyUnmaps: 0, domainIds: [7] });
  });

  it('takes a device whose addresses are physical for an identity device', () => {
    const lines = [1, 2, 3].map((page) => `dma_map_page: ${NIC} dir=TO_DEVICE dma_addr=${page}000 size=60 phys_addr=${page}000 attrs=`);
    expect(infer(lines).devices[0]).toMatchObject({ domainType: 'identity', untrusted: false });
  });

  it('finds the domain ids of lazy devices from the order in which their flushes fall due', () => {
    const lazy = (device: string, iova: number): string[] => [
      `map: IOMMU: iova=0x${iova.toString(16)} paddr=0x1000 size=4096`,
      `dma_map_page: ${device} dir=TO_DEVICE dma_addr=${iova.toString(16)} size=4096 phys_addr=1000 attrs=`,
      ...unmapped(device, iova, 0, false),
    ];
    const flush = (did: number): string => `qi_submit: iotlb_inv dmar0: 0x${(did * 0x10000 + 0xe2).toString(16)} 0x0 0x0 0x0`;
    const lines = [...lazy(NIC, 0x1000), ...lazy(NVME, 0x1000), flush(7), flush(3), ...lazy(NVME, 0x2000), flush(3)];
    expect(infer(lines).devices.map(({ name, domainId }) => [name, domainId])).toEqual([
      [NIC, 7],
      [NVME, 3],
    ]);
  });

  it('takes caching mode, address width and forcedac from the lines, and leaves a described unit alone', () => {
    const high = 0xffff_ffff_f000;
    const lines = [
      `map: IOMMU: iova=0x${high.toString(16)} - 0x1000000000000 paddr=0x1000 size=4096`,
      `cache_tag_flush_range_np: dmar0 dmar0[0] type iotlb did 4 [0x${high.toString(16)}-0xffffffffffff] addr 0x${high.toString(16)} pages 0x1 mask 0x0`,
      `qi_submit: iotlb_inv dmar0: 0x400f2 0x${high.toString(16)} 0x0 0x0`,
      `dma_map_page: ${NIC} dir=TO_DEVICE dma_addr=${high.toString(16)} size=4096 phys_addr=1000 attrs=`,
    ];
    const inference = infer(lines);
    expect(inference.unit).toEqual({ cachingMode: true, addressBits: 48, forcesHighAddresses: true });
    expect(inference.devices[0]).toMatchObject({ domainType: 'DMA', domainId: 4 });
    expect([value(inference, 'caching mode'), value(inference, 'address width'), value(inference, 'iommu.forcedac')]).toEqual([
      'on (inferred)',
      '48 (inferred)',
      '1 (inferred)',
    ]);
    expect(infer(strictTrace).unit).toEqual({ cachingMode: false, addressBits: 48, forcesHighAddresses: false });
    expect(infer(lines, { vtd: { version: '1:0', cap: '0xd2008c222f0606', ecap: '0xf00f4a' } }).unit).toBeUndefined();
  });

  it('sees without descriptors that a domain translates, and no more', () => {
    const inference = infer(
      [1, 2, 3].flatMap((page) => [...bounced(NIC, 0x200000, 0x7bd8d000, page * 0x1000, false), ...unmapped(NIC, page * 0x1000, 4, false)]),
    );
    expect(inference.devices[0]).toMatchObject({ domainType: 'DMA', untrusted: true });
    expect(inference.hasDescriptors).toBe(false);
  });

  it('takes the rules of 6.1 when nothing newer is in the trace, and only likely slots', () => {
    const lines = bounced(NIC, 0x200042, 0x7bd8d000, 0x1000, false).slice(0, 2);
    lines.push(lines[0]!, 'map: IOMMU: iova=0x5000 paddr=0x140000000 size=4096');
    const inference = infer(lines);
    expect([inference.kernelRules, inference.pool?.start]).toEqual(['6.1', 0x7bd8d000]);
    expect(value(inference, `${NIC} min_align_mask`)).toBe('0 (default)');
  });

  it('forgets a failed bounce', () => {
    const failed = [
      bounced(NIC, 0x200042, 0, 0x1000, false)[0]!,
      `dma_map_page: ${NIC} dir=TO_DEVICE dma_addr=ffffffffffffffff size=60 phys_addr=200042 attrs=`,
      'map: IOMMU: iova=0x5000 paddr=0x140000000 size=4096',
      'dma_map_page: 0000:03:00.0 dir=TO_DEVICE dma_addr=5000 size=4096 phys_addr=140000000 attrs=',
    ];
    expect(infer(failed).pool).toBeUndefined();
    expect(factsOf(failed).devices.get(NIC)).toMatchObject({ bounced: 1, bouncedUnderTranslation: 0, failedMaps: 1, maps: 0 });
  });

  it('sees scatter lists: their longest segment and the offsets of bounced entries', () => {
    const lines = [
      `swiotlb_bounced: dev_name: ${NVME} dma_mask=ffffffff dev_addr=100a10 size=512 NORMAL`,
      'map: IOMMU: iova=0x1000 paddr=0x7bc8d000 size=4096',
      `dma_map_sg: ${NVME} dir=TO_DEVICE nents=2/2 ents=2/2 dma_addrs={0x1a10,0x2000} sizes={0x200,0x8000} phys_addrs={0x100a10,0x300000} attrs=`,
    ];
    expect(infer(lines).devices[0]).toMatchObject({ minAlignMask: 4095, segmentBytesSeen: 0x8000, dmaMaskBits: 32 });
  });

  it('knows the high addresses that only a wide mask allows', () => {
    const inference = infer([`dma_map_page: ${NIC} dir=TO_DEVICE dma_addr=ffff00000000 size=60 phys_addr=1000 attrs=`]);
    expect(value(inference, `${NIC} DMA mask bits`)).toBe('64 (inferred)');
  });
});

/** Goal: a description is believed, and where the trace says otherwise both are listed. */
describe('inference with a description', () => {
  const machine = {
    kernelRelease: '6.12.107+deb13-amd64',
    kernelHz: 1000,
    possibleCpus: '0-3',
    swiotlb: { start: '0x7bc8d000', endExclusive: '0x7fc8d000', slots: 32768, areas: 4 },
    devices: [
      { address: NVME, driver: 'nvme', dmaMaskBits: 64, iommuGroup: 7, domainType: 'DMA', removable: true },
      { address: NIC, driver: 'e1000e', dmaMaskBits: 32, iommuGroup: 1, domainType: 'DMA', removable: true },
    ],
  };

  it('takes what the description says', () => {
    const inference = infer(strictTrace, machine);
    expect([inference.kernelRules, inference.kernelHz, inference.cpuCount, inference.pool?.areas]).toEqual(['6.12', 1000, 4, 4]);
    expect(inference.devices[1]).toMatchObject({ dmaMaskBits: 32, iommuGroup: 1, minAlignMask: 0 });
    expect(inference.rows.map((row) => row.what)).toEqual([
      'VT-d registers',
      'host-bridge windows',
      `${NVME} min_align_mask`,
      `${NIC} min_align_mask`,
    ]);
    expect(inference.contradictions).toEqual([]);
    expect(infer(strictTrace, { ...machine, lostEvents: 7 }).contradictions).toMatchObject([
      { what: 'lost events', description: '7 lost' },
    ]);
  });

  it('lists every contradiction and changes nothing', () => {
    const inference = infer([...strictTrace, 'detach_device_from_domain: IOMMU: device=x'], {
      ...machine,
      swiotlb: { start: '0x7bd00000', endExclusive: '0x7bd01000' },
      devices: [{ ...machine.devices[0], domainType: 'DMA-FQ' }],
    });
    expect(inference.contradictions.map((row) => `${row.what}: ${row.trace} / ${row.description} / L${row.line}`)).toEqual([
      'kernel: iommu:detach_device_from_domain events / kernel 6.12.107+deb13-amd64 / Lundefined',
      'bounce slot: 0x7bc8e000 / pool 0x7bd00000-0x7bd01000 / L3',
      'bounce slot: 0x7bd8dfff / pool 0x7bd00000-0x7bd01000 / L9',
      `${NVME} domain: DMA: 3 of 3 unmaps invalidated their pages at once / DMA-FQ / L1`,
      `device ${NIC}: 9 events / not listed / L7`,
      'device x: 1 event / not listed / L37',
    ]);
    expect(inference.devices[0]?.domainType).toBe('DMA-FQ');
  });

  it('sees a domain whose type changed while recording, and no change in a flush of the whole domain', () => {
    const strict = strictTrace.filter((line) => !line.includes(NIC));
    const lazy = strict.filter((line) => !line.startsWith('qi_submit'));
    expect(infer([...strict, ...lazy], machine).contradictions.map((row) => row.trace)).toEqual([
      '3 unmaps invalidated their pages at once, 3 did not: the type changed',
    ]);
    const whole = strict.map((line) => line.replace('0x900f2', '0x900e2'));
    expect(factsOf([...strict, ...whole]).devices.get(NVME)).toMatchObject({ strictUnmaps: 3, lazyUnmaps: 0 });
  });

  it('sees a CPU that the machine does not have and events that its kernel does not have', () => {
    const facts = new TraceFacts();
    const parser = new TraceParser((batch) => facts.add(batch));
    parser.push(bytesOf('t-1 [007] ..... 1.0: dma_sync_single_for_cpu: x dir=NONE dma_addr=0 size=1\n'));
    parser.end();
    const inference = inferMachine(facts, parseMachineDescription(JSON.stringify({ kernelRelease: '6.1.0', possibleCpus: '0-3' })));
    expect(inference.contradictions.map((row) => `${row.what}: ${row.trace} / ${row.description}`)).toEqual([
      'kernel: dma:dma_sync_single_for_cpu events / kernel 6.1.0',
      'CPUs: an event of CPU 7 / CPUs below 4',
    ]);
    expect([inference.kernelRules, inference.cpuCount]).toEqual(['6.1', 8]);
  });

  it('falls back on what the nvme driver sets when the trace cannot show it', () => {
    const lines = [`swiotlb_bounced: dev_name: ${NVME} dma_mask=ffffffff dev_addr=100a10 size=512 NORMAL`];
    const inference = infer(lines, machine);
    expect(value(inference, `${NVME} min_align_mask`)).toBe('4095 (default)');
  });
});
