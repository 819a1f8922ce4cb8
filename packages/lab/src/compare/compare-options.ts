import { type KernelRules, LabError, type PoolSize, type ProtectionPolicy, policies, poolSize } from 'dmalab-core';
import type { CostProfile } from '../cost/cost-profile.ts';
import type { RecordedDevice } from '../replay/recorded-machine.ts';
import { POOL_SLOTS_MAX } from './candidate-pools.ts';
import { nearestName } from './nearest-name.ts';
import { printable } from './printable.ts';
import type { SaturateLoad } from './saturate-load.ts';

/** What the user chooses, as on the command line. */
export interface CompareOptions {
  /** Policies to compare, by name or as they are, in the order of the rows; default all that come with dmalab. */
  readonly policies?: readonly (string | ProtectionPolicy)[] | undefined;
  /** `all` (default), `untrusted`, or PCI addresses separated by commas. */
  readonly devices?: string | undefined;
  /** `SLOTS[,AREAS]`: the bounce pool of the what-if rows; default the recorded one. */
  readonly pool?: string | undefined;
  /** What operations cost; without it the rows have neither cost nor exposure. */
  readonly profile?: CostProfile | undefined;
  /** Also run the calls on many CPUs at once; needs a profile. */
  readonly saturate?: SaturateLoad | undefined;
  /** Follow exposure and bounce slots over time as well, for plots; needs a profile. Default false. */
  readonly series?: boolean | undefined;
}

/**
 * The policies of the rows.
 *
 * @throws LabError CMP001 for a name that no policy has
 */
export function choosePolicies(wanted: CompareOptions['policies']): readonly ProtectionPolicy[] {
  if (wanted === undefined || wanted.length === 0) return policies;
  const known = policies.map(({ name }) => name);
  const chosen = wanted.map((name) => {
    if (typeof name !== 'string') return name;
    const policy = policies.find((candidate) => candidate.name === name);
    if (policy !== undefined) return policy;
    const nearest = nearestName(name, known);
    throw new LabError({
      code: 'CMP001',
      message: `There is no policy ${printable(name)}.`,
      expected: known.join(', '),
      got: printable(name),
      next: nearest === undefined ? 'choose one of these' : `did you mean ${nearest}?`,
    });
  });
  return [...new Set(chosen)];
}

/**
 * Indexes of the devices that the policies hold for. A group is one domain, so the others of a chosen device's group
 * come with it.
 *
 * @throws LabError CMP002 for a device that the recording does not have, CMP003 when no device is untrusted
 */
export function chooseDevices(wanted: string | undefined, devices: readonly RecordedDevice[]): ReadonlySet<number> {
  const indexes = devices.map((_, index) => index);
  if (wanted === undefined || wanted === 'all') return new Set(indexes);
  const named = wanted === 'untrusted' ? untrustedOf(devices) : wanted.split(',').map((name) => indexOfDevice(name.trim(), devices));
  const groups = new Set(named.map((index) => devices[index].group));
  return new Set(indexes.filter((index) => groups.has(devices[index].group)));
}

/**
 * The pool that a kernel would make of the parameter.
 *
 * @throws LabError CMP004 for anything but one or two numbers in range
 */
export function choosePool(parameter: string, possibleCpus: number, kernel: KernelRules): PoolSize {
  const match = /^(\d{1,9})(?:,(\d{1,9}))?$/.exec(parameter.trim());
  const slots = Number(match?.[1]);
  const areas = match?.[2] === undefined ? undefined : Number(match[2]);
  const size =
    match !== null && slots > 0 && areas !== 0
      ? poolSize({ slots, ...(areas === undefined ? {} : { areas }) }, possibleCpus, kernel)
      : null;
  if (size !== null && size.slots <= POOL_SLOTS_MAX) return size;
  throw new LabError({
    code: 'CMP004',
    message: 'This is no size of a bounce pool.',
    expected: `SLOTS[,AREAS]: slots of 2048 bytes, 1 to ${POOL_SLOTS_MAX} after rounding (128 slots per area, powers of two)`,
    got: size === null ? printable(parameter) : `${printable(parameter)}, which makes ${size.slots} slots`,
    next: 'for example --pool 32768 or --pool 4096,4',
  });
}

function untrustedOf(devices: readonly RecordedDevice[]): number[] {
  const indexes = devices.flatMap((device, index) => (device.untrusted ? [index] : []));
  if (indexes.length > 0) return indexes;
  throw new LabError({
    code: 'CMP003',
    message: 'No device of this recording is untrusted.',
    expected: 'a device behind an external port (removable in the machine description)',
    got: `${devices.length} trusted devices`,
    next: 'leave --device out, or name devices: --device 0000:01:00.0',
  });
}

function indexOfDevice(name: string, devices: readonly RecordedDevice[]): number {
  const index = devices.findIndex((device) => device.name === name || device.name === `0000:${name}`);
  if (index >= 0) return index;
  const known = devices.map((device) => device.name);
  const nearest = nearestName(name, [...known, 'all', 'untrusted']);
  throw new LabError({
    code: 'CMP002',
    message: `There is no device ${printable(name)} in this recording.`,
    expected: ['all', 'untrusted', ...known].join(', '),
    got: printable(name),
    next: nearest === undefined ? 'choose one of these' : `did you mean ${nearest}?`,
  });
}
