import {
  bounceStrict,
  type DeviceParameters,
  decodeCapability,
  decodeExtendedCapability,
  type DomainParameters,
  type KernelRules,
  lazy,
  type MachineParameters,
  noCaches,
  PAGE_SIZE,
  type ProtectionPolicy,
  passthrough,
  strict,
} from 'dmalab-core';
import type { DescribedDevice, MachineDescription } from 'dmalab-trace';
import { driverFacts, PCI_SEGMENT_BOUNDARY_MASK } from './driver-facts.ts';

/** Which policy a device gets; undefined leaves it in its recorded mode. */
export type PolicyChoice = (device: DescribedDevice) => ProtectionPolicy | undefined;

/** The machine of a recording, ready to be built, and how the trace's names map onto it. */
export interface RecordedMachine {
  readonly parameters: MachineParameters;
  readonly description: MachineDescription;
  /** Device index by PCI address. */
  readonly deviceByName: ReadonlyMap<string, number>;
}

/** What a device's recorded domain type and trust amount to. */
export function recordedPolicy(device: DescribedDevice): ProtectionPolicy {
  if (device.domainType === 'identity' || device.domainType === null) return passthrough;
  if (device.domainType === 'DMA-FQ') return lazy;
  return device.removable ? bounceStrict : strict;
}

/**
 * Turns a machine description into the parameters of a machine.
 *
 * Groups get their domains in the order of their numbers, so that domain ids come out as at boot; identity groups take
 * none. A group is one domain: a policy chosen for one of its devices holds for all of them.
 */
export function recordedMachine(description: MachineDescription, choose: PolicyChoice = () => undefined): RecordedMachine {
  const policyOfGroup = new Map<number, ProtectionPolicy>();
  for (const device of description.devices) {
    const chosen = choose(device);
    if (chosen !== undefined) policyOfGroup.set(device.iommuGroup, chosen);
  }
  const hasUnit = description.vtd !== null;
  const policies = description.devices.map((device) => {
    const policy = policyOfGroup.get(device.iommuGroup) ?? recordedPolicy(device);
    return hasUnit || !policy.translated ? policy : passthrough;
  });
  const groups = [...new Set(description.devices.filter((_, index) => policies[index].translated).map((device) => device.iommuGroup))].sort(
    (a, b) => a - b,
  );
  const domains: DomainParameters[] = groups.map((group) => ({ reserved: reservedRanges(description, group) }));
  const forcedac = hasArgument(description.kernelCommandLine, 'iommu.forcedac=1') || hasArgument(description.kernelCommandLine, 'iommu.forcedac');
  const devices = description.devices.map((device, index): DeviceParameters => {
    const facts = driverFacts(device.driver);
    const mask = device.dmaMaskBits >= 53 ? Number.POSITIVE_INFINITY : 2 ** device.dmaMaskBits - 1;
    return {
      name: device.address,
      sourceId: device.sourceId,
      dmaMask: mask,
      coherentDmaMask: mask,
      busDmaLimit: 0,
      untrusted: device.removable,
      triesLowFirst: !forcedac,
      minAlignMask: device.minAlignMask ?? facts.minAlignMask,
      maxSegmentBytes: Math.max(device.maxSegmentBytes ?? 0, facts.maxSegmentBytes),
      segmentBoundaryMask: PCI_SEGMENT_BOUNDARY_MASK,
      domain: policies[index].translated ? groups.indexOf(device.iommuGroup) : -1,
      policy: policies[index],
    };
  });
  const { vtd, swiotlb } = description;
  return {
    description,
    deviceByName: new Map(devices.map((device, index) => [device.name, index])),
    parameters: {
      kernel: description.kernelRules,
      possibleCpus: description.possibleCpus,
      onlineCpus: description.onlineCpus,
      hz: description.kernelHz,
      iommu:
        vtd === null
          ? null
          : {
              capability: decodeCapability(vtd.cap.high, vtd.cap.low),
              extendedCapability: decodeExtendedCapability(vtd.ecap.high, vtd.ecap.low),
              ...noCaches,
            },
      swiotlb: swiotlb === null ? null : { ...swiotlb, forced: isForced(description.kernelCommandLine) },
      domains,
      devices,
      memory: 'accounting',
    },
  };
}

/** Host-bridge windows first, then what the IOMMU driver reserves for the group. */
function reservedRanges(description: MachineDescription, group: number): DomainParameters['reserved'] {
  const ranges = [
    ...description.hostBridgeWindows,
    ...description.reservedRegions.filter((region) => region.iommuGroup === group),
  ];
  return ranges.map(({ start, end }) => ({ loPfn: Math.floor(start / PAGE_SIZE), hiPfn: Math.floor(end / PAGE_SIZE) }));
}

function isForced(commandLine: string): boolean {
  return commandLine.split(' ').some((word) => word.startsWith('swiotlb=') && word.split(/[=,]/).includes('force'));
}

function hasArgument(commandLine: string, argument: string): boolean {
  return commandLine.split(' ').includes(argument);
}

/** Rules that a kernel release follows. */
export function kernelRulesOf(release: string | null): KernelRules {
  const match = /^(\d+)\.(\d+)/.exec(release ?? '');
  if (match === null) return '6.12';
  return Number(match[1]) < 6 || (Number(match[1]) === 6 && Number(match[2]) < 6) ? '6.1' : '6.12';
}
