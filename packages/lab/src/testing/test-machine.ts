import { type MachineDescription, parseMachineDescription } from 'dmalab-trace';

/** QEMU's unit; bit 7 of CAP is caching mode. */
const CAP = '0xd2008c222f0606';
const CAP_CACHING_MODE = '0xd2008c222f0686';

/** How a device of a test machine is protected; untrusted ones are strict and bounced. */
type Protection = 'lazy' | 'strict' | 'untrusted' | 'identity';

interface TestDevice {
  readonly address: string;
  readonly protection: Protection;
  readonly driver?: string;
  readonly group?: number;
  readonly maskBits?: number;
}

/** What a test says of its machine; the rest is small and plain. */
export interface TestMachine {
  readonly devices: readonly TestDevice[];
  readonly kernel?: '6.1' | '6.12';
  readonly cpus?: number;
  readonly hz?: number;
  readonly cachingMode?: boolean;
  readonly slots?: number;
  readonly areas?: number;
  readonly commandLine?: string;
  /** Low I/O addresses to leave free, pages from 4 GiB down; the rest below 4 GiB is reserved. Default: all of it. */
  readonly lowPages?: number;
}

/** First byte of a test machine's bounce pool. */
export const POOL_START = 0x7bc00000;

const DOMAIN_TYPES = { lazy: 'DMA-FQ', strict: 'DMA', untrusted: 'DMA', identity: 'identity' } as const;

/** The machine description of a test machine, as the text of its file. Groups are numbered from 0 in the order of the devices. */
export function testMachineText(machine: TestMachine): string {
  const slots = machine.slots ?? 1024;
  const cpus = `0-${(machine.cpus ?? 1) - 1}`;
  const lastLowByte = 2 ** 32 - 1 - (machine.lowPages ?? 0) * 4096;
  const description = {
    kernelRelease: machine.kernel === '6.1' ? '6.1.0-test' : '6.12.0-test',
    kernelCommandLine: machine.commandLine ?? 'intel_iommu=on',
    kernelHz: machine.hz ?? 250,
    possibleCpus: cpus,
    onlineCpus: cpus,
    vtd: { version: '1:0', cap: machine.cachingMode === true ? CAP_CACHING_MODE : CAP, ecap: '0xf00f4a' },
    swiotlb: { start: hex(POOL_START), endExclusive: hex(POOL_START + slots * 2048), slots, areas: machine.areas ?? 1 },
    hostBridgeWindows: machine.lowPages === undefined ? [] : [{ start: '0x1000', end: hex(lastLowByte) }],
    devices: machine.devices.map((device, index) => ({
      address: device.address,
      driver: device.driver ?? 'e1000e',
      dmaMaskBits: device.maskBits ?? 64,
      iommuGroup: device.group ?? index,
      domainType: DOMAIN_TYPES[device.protection],
      removable: device.protection === 'untrusted',
    })),
  };
  return JSON.stringify(description);
}

export function testMachine(machine: TestMachine): MachineDescription {
  return parseMachineDescription(testMachineText(machine), 'test.machine.json');
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
