/** What the machine as recorded leaves open, in sentences. */
import { AS_RECORDED, type CompareResult, type DeviceExposure, type ExposureFigures } from 'dmalab-lab';
import { shortDevice } from '../report/trace-lines.ts';
import { bytesText, counted, countText, lineHandle, significantText } from '../terminal/format.ts';

const NS_PER_MS = 1e6;

/** A sentence per kind of finding, with the device where it is worst; one that says so when there is none. */
export function securityFindings(result: CompareResult): string[] {
  const exposure = result.rows.find(({ policy }) => policy === AS_RECORDED)?.exposure ?? null;
  if (exposure === null) return [];
  const sentences = [
    allMemory(exposure),
    foreignData(exposure),
    sharedDomains(exposure),
    neighbours(exposure),
    staleWindows(exposure, result),
    reuses(exposure),
    writesAfterUnmap(exposure),
  ].flatMap((sentence) => sentence ?? []);
  if (sentences.length > 0) return sentences;
  return ['As recorded, no device reached a byte that was not its own, as far as the trace shows.'];
}

function allMemory({ devices }: ExposureFigures): string | undefined {
  const open = devices.filter(({ reach }) => reach === 'all memory');
  if (open.length === 0) return undefined;
  return `As recorded, ${namesOf(open)} can reach all memory: no IOMMU translates for ${open.length === 1 ? 'it' : 'them'}.`;
}

function foreignData({ coLocations }: ExposureFigures): string | undefined {
  const separable = coLocations.pairs.filter(({ sameDomain }) => !sameDomain);
  const count = separable.reduce((sum, pair) => sum + pair.count, 0);
  const [worst] = coLocations.worst;
  if (count === 0 || worst === undefined) return undefined;
  const place = worst.line === null || worst.otherLine === null ? '' : ` (${lineHandle(worst.line)}, ${lineHandle(worst.otherLine)})`;
  return `As recorded, data of one device lay within reach of another ${counted(count, 'time')}; the worst: ${shortDevice(worst.device)} could reach ${bytesText(worst.bytes)} of ${shortDevice(worst.otherDevice)}${place}.`;
}

/** Functions of one device often share a domain; what they can do to each other no policy changes. */
function sharedDomains({ coLocations }: ExposureFigures): string | undefined {
  const shared = coLocations.pairs.filter(({ sameDomain }) => sameDomain);
  if (shared.length === 0) return undefined;
  const names = [...new Set(shared.flatMap(({ device, otherDevice }) => [device, otherDevice]))].sort().map(shortDevice);
  return `${names.join(', ')} share address spaces with each other and reach each other's data whatever the policy.`;
}

function neighbours({ devices }: ExposureFigures): string | undefined {
  const worst = largest(devices, ({ either }) => either?.neighbour.peak.value ?? 0);
  const bytes = worst?.either?.neighbour.peak.value ?? 0;
  if (worst === undefined || bytes === 0) return undefined;
  return `As recorded, ${shortDevice(worst.name)} could reach up to ${bytesText(bytes)} beside its buffers that belong to nobody known.`;
}

function staleWindows({ devices }: ExposureFigures, { recording }: CompareResult): string | undefined {
  const worst = largest(devices, ({ stale }) => stale.other.windows.value ?? 0);
  const windows = devices.reduce((sum, { stale }) => sum + (stale.other.windows.value ?? 0), 0);
  if (worst === undefined || windows === 0) return undefined;
  const { longest, longestLine } = worst.stale.other;
  const line = longestLine === null ? '' : ` (${lineHandle(longestLine)})`;
  // The clock of an emulator says nothing about a machine.
  const length = recording.emulated || longest.value === null ? '' : `, ${significantText(longest.value / NS_PER_MS)} ms at most`;
  return `As recorded, unmapped memory stayed reachable until a later flush ${counted(windows, 'time')}; most often for ${shortDevice(worst.name)}${length}${line}.`;
}

function reuses({ devices }: ExposureFigures): string | undefined {
  const same = devices.reduce((sum, { reuse }) => sum + (reuse.sameDevice.value ?? 0), 0);
  const other = devices.reduce((sum, { reuse }) => sum + (reuse.otherDevice.value ?? 0), 0);
  if (same + other === 0) return undefined;
  return `As recorded, memory that a device could still reach was mapped again at least ${counted(same + other, 'time')}, ${countText(other)} of them for another device.`;
}

function writesAfterUnmap({ devices }: ExposureFigures): string | undefined {
  const worst = largest(devices, ({ stale }) => stale.writeAfterUnmap.windows.value ?? 0);
  const windows = devices.reduce((sum, { stale }) => sum + (stale.writeAfterUnmap.windows.value ?? 0), 0);
  if (worst === undefined || windows === 0) return undefined;
  return `As recorded, a device could have written to memory after its unmap ${counted(windows, 'time')}; most often ${shortDevice(worst.name)}.`;
}

function largest(devices: readonly DeviceExposure[], of: (device: DeviceExposure) => number): DeviceExposure | undefined {
  return devices.reduce<DeviceExposure | undefined>((best, next) => (best === undefined || of(next) > of(best) ? next : best), undefined);
}

function namesOf(devices: readonly DeviceExposure[]): string {
  return devices.map(({ name }) => shortDevice(name)).join(', ');
}
