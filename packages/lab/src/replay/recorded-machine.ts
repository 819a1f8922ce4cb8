import {
  bounceStrict,
  type Capability,
  type DeviceParameters,
  type DomainParameters,
  decodeCapability,
  decodeExtendedCapability,
  lazy,
  type MachineParameters,
  noCaches,
  PAGE_SIZE,
  type ProtectionPolicy,
  passthrough,
  QEMU_CAPABILITY,
  QEMU_EXTENDED_CAPABILITY,
  strict,
} from 'dmalab-core';
import type { AddressRange, DomainTypeName, InferredDevice, MachineDescription, MachineInference } from 'dmalab-trace';
import { driverFacts, PCI_SEGMENT_BOUNDARY_MASK } from './driver-facts.ts';

/** A device of the recording, described or inferred. */
export interface RecordedDevice {
  /** PCI address as in the trace. */
  readonly name: string;
  readonly driver: string | undefined;
  readonly untrusted: boolean;
  readonly domainType: DomainTypeName;
  readonly dmaMaskBits: number;
  readonly minAlignMask: number;
  readonly maxSegmentBytes: number;
  /** IOMMU group; devices without one get a number of their own, from 10000 on. */
  readonly group: number;
}

/** Which policy a device gets; undefined leaves it in its recorded mode. */
export type PolicyChoice = (device: RecordedDevice) => ProtectionPolicy | undefined;

/** The machine of a recording, ready to be built, and how the trace's names map onto it. */
export interface RecordedMachine {
  readonly parameters: MachineParameters;
  readonly devices: readonly RecordedDevice[];
  /** Device index by PCI address. */
  readonly deviceByName: ReadonlyMap<string, number>;
}

/** First group number of devices whose group nobody knows. */
const OWN_GROUP = 10_000;

/** The interrupt window, reserved for every device of a PC. @source Linux v6.12 drivers/iommu/intel/iommu.c intel_iommu_get_resv_regions() */
const MSI_WINDOW: AddressRange = { start: 0xfee00000, end: 0xfeefffff };

/** What a device's recorded domain type and trust amount to. */
export function recordedPolicy(device: RecordedDevice): ProtectionPolicy {
  switch (device.domainType) {
    case 'DMA-FQ':
      return lazy;
    case 'DMA':
      return device.untrusted ? bounceStrict : strict;
    default:
      return passthrough;
  }
}

/** The devices of a recording: those of the description, then those that only the trace names. */
export function recordedDevices(description: MachineDescription | undefined, inference: MachineInference): RecordedDevice[] {
  const inferred = new Map(inference.devices.map((device) => [device.name, device]));
  const devices: RecordedDevice[] = [];
  for (const described of description?.devices ?? []) {
    const seen = inferred.get(described.address);
    inferred.delete(described.address);
    const facts = driverFacts(described.driver);
    devices.push({
      name: described.address,
      driver: described.driver,
      untrusted: described.removable,
      domainType: described.domainType ?? seen?.domainType ?? 'identity',
      dmaMaskBits: described.dmaMaskBits ?? seen?.dmaMaskBits ?? 32,
      minAlignMask: Math.max(seen?.minAlignMask ?? 0, facts.minAlignMask),
      maxSegmentBytes: Math.max(seen?.segmentBytesSeen ?? 0, facts.maxSegmentBytes),
      group: described.iommuGroup ?? OWN_GROUP + devices.length,
    });
  }
  for (const device of inferred.values()) devices.push(fromTrace(device, devices.length));
  return devices;
}

/**
 * Turns what is known of a recording's machine into the parameters of a machine.
 *
 * Groups get their domains in the order of their numbers, so that domain ids come out as at boot; identity groups take
 * none. A group is one domain: a policy chosen for one of its devices holds for all of them.
 */
export function recordedMachine(
  description: MachineDescription | undefined,
  inference: MachineInference,
  choose: PolicyChoice = () => undefined,
): RecordedMachine {
  const devices = recordedDevices(description, inference);
  const policyOfGroup = new Map<number, ProtectionPolicy>();
  for (const device of devices) {
    const chosen = choose(device);
    if (chosen !== undefined) policyOfGroup.set(device.group, chosen);
  }
  const policies = devices.map((device) => policyOfGroup.get(device.group) ?? recordedPolicy(device));
  const groups = [...new Set(devices.filter((_, index) => policies[index].translated).map(({ group }) => group))].sort((a, b) => a - b);
  const ids = recordedDomainIds(inference, devices, groups);
  const words = (description?.kernelCommandLine ?? '').split(' ');
  const { unit } = inference;
  const forcedac = words.some((word) => word === 'iommu.forcedac' || word === 'iommu.forcedac=1');
  const triesLowFirst = !forcedac && unit?.forcesHighAddresses !== true;
  const { vtd } = description ?? {};
  return {
    devices,
    deviceByName: new Map(devices.map(({ name }, index) => [name, index])),
    parameters: {
      kernel: inference.kernelRules,
      possibleCpus: inference.cpuCount,
      onlineCpus: description?.onlineCpus.length || inference.cpuCount,
      hz: inference.kernelHz,
      iommu: {
        capability: vtd === undefined ? inferredCapability(inference) : decodeCapability(vtd.cap.high, vtd.cap.low),
        extendedCapability: vtd === undefined ? QEMU_EXTENDED_CAPABILITY : decodeExtendedCapability(vtd.ecap.high, vtd.ecap.low),
        ...noCaches,
      },
      swiotlb: inference.pool === undefined ? null : { ...inference.pool, forced: words.some(forcesPool) },
      domains: groups.map((group) => ({
        reserved: reservedRanges(description, group),
        domainId: description === undefined ? ids.get(group) : undefined,
      })),
      devices: devices.map((device, index): DeviceParameters => {
        const mask = device.dmaMaskBits >= 53 ? Number.POSITIVE_INFINITY : 2 ** device.dmaMaskBits - 1;
        return {
          name: device.name,
          sourceId: sourceIdOf(device.name, index),
          dmaMask: mask,
          coherentDmaMask: mask,
          busDmaLimit: 0,
          untrusted: device.untrusted,
          triesLowFirst,
          minAlignMask: device.minAlignMask,
          maxSegmentBytes: device.maxSegmentBytes,
          segmentBoundaryMask: PCI_SEGMENT_BOUNDARY_MASK,
          domain: policies[index].translated ? groups.indexOf(device.group) : -1,
          policy: policies[index],
        };
      }),
      memory: 'accounting',
    },
  };
}

/** QEMU's capabilities, with what the lines show to be different. */
function inferredCapability({ unit }: MachineInference): Capability {
  if (unit === undefined) return QEMU_CAPABILITY;
  return { ...QEMU_CAPABILITY, cachingMode: unit.cachingMode, maxAddressBits: unit.addressBits };
}

/** Domain ids that the trace shows, by group; empty when two groups seem to share one. */
function recordedDomainIds(
  inference: MachineInference,
  devices: readonly RecordedDevice[],
  groups: readonly number[],
): Map<number, number> {
  const groupOf = new Map(devices.map(({ name, group }) => [name, group]));
  const ids = new Map<number, number>();
  for (const { name, domainId } of inference.devices) {
    const group = groupOf.get(name);
    if (group !== undefined && domainId !== undefined && groups.includes(group)) ids.set(group, domainId);
  }
  return new Set(ids.values()).size === ids.size ? ids : new Map();
}

function fromTrace(device: InferredDevice, index: number): RecordedDevice {
  return {
    name: device.name,
    driver: undefined,
    untrusted: device.untrusted,
    domainType: device.domainType ?? (device.untrusted ? 'DMA' : 'identity'),
    dmaMaskBits: device.dmaMaskBits,
    minAlignMask: device.minAlignMask,
    maxSegmentBytes: Math.max(device.segmentBytesSeen, driverFacts(undefined).maxSegmentBytes),
    group: device.iommuGroup ?? OWN_GROUP + index,
  };
}

/** Host-bridge windows first, then what the IOMMU driver reserves for the group: the order in which the kernel does it. */
function reservedRanges(description: MachineDescription | undefined, group: number): DomainParameters['reserved'] {
  const ofGroup = description?.reservedRegions.filter((region) => region.iommuGroup === group) ?? [];
  const ranges = [...(description?.hostBridgeWindows ?? []), ...(ofGroup.length > 0 ? ofGroup : [MSI_WINDOW])];
  return ranges.map(({ start, end }) => ({ loPfn: Math.floor(start / PAGE_SIZE), hiPfn: Math.floor(end / PAGE_SIZE) }));
}

function forcesPool(word: string): boolean {
  return word.startsWith('swiotlb=') && word.split(/[=,]/).includes('force');
}

/** Requester id of `0000:02:00.0`; devices that are not on PCI get one of a bus that no PC has. */
function sourceIdOf(name: string, index: number): number {
  const match = /^[0-9a-f]{4,}:([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/.exec(name);
  if (match === null) return 0xff00 + index;
  return Number.parseInt(match[1], 16) * 256 + Number.parseInt(match[2], 16) * 8 + Number(match[3]);
}
