import { bytesText, countText } from 'dmalab';
import { AS_RECORDED, type CompareResult, type CompareRow, type DeviceExposure, type Figure } from 'dmalab-lab';
import { markdownTable, msText, policyText } from './markdown-table.ts';
import { type Recordings, rowOf } from './recordings.ts';

/** What the untrusted devices together could reach, a line per policy. */
export function exposureTable(result: CompareResult): string {
  const titles = [
    'Policy',
    'Foreign, peak',
    'of it other devices',
    'Stale bytes, peak',
    'Stale windows',
    'Written after unmap, peak',
    'Reuse, same / other device',
    'Own retired slots, peak',
  ];
  return markdownTable(
    titles,
    result.rows.map((row) => exposureCells(row, result)),
  );
}

/** Slots of the pool given to other devices, where all devices bounce. */
export async function sharedPoolTable(recordings: Recordings, name: string, pool: string): Promise<string> {
  const policies = ['bounce-strict', 'bounce-lazy-unsafe', 'bounce-deferred'];
  const result = await recordings.compare(name, { devices: 'all', policies, pool });
  const rows = policies.map((policy) => {
    const row = rowOf(result, policy);
    const { otherDevice, stale } = row.exposure!.total.either!;
    const cells = [bytesText(otherDevice.peak.value!), bytesText(stale.peak.value!), reuseText(row), countText(row.total.failed.value!)];
    return [policyText(row), ...cells];
  });
  return markdownTable(['Policy', 'Other devices, peak', 'Stale bytes, peak', 'Reuse, same / other device', 'Failed'], rows);
}

/** Mappings made under a stale entry, of the same device and of others. */
export function reuseText({ exposure }: CompareRow): string {
  const same = sumOf(exposure!.devices, ({ reuse }) => reuse.sameDevice);
  const other = sumOf(exposure!.devices, ({ reuse }) => reuse.otherDevice);
  return same + other === 0 ? '0' : `>=${countText(same)} / >=${countText(other)}`;
}

function exposureCells(row: CompareRow, result: CompareResult): string[] {
  const { either, write } = row.exposure!.total;
  if (either === null || write === null) return [policyText(row), 'all memory', '-', '-', '-', '-', '-', '-'];
  const { subPage, otherDevice, stale, retiredSlot } = either;
  const own = Math.max(...row.exposure!.devices.map(({ stale }) => stale.ownSlots.longest.value ?? 0));
  return [
    policyText(row),
    bytesText(subPage.peak.value!),
    bytesText(otherDevice.peak.value!),
    bytesText(stale.peak.value!),
    windowsText(row, result),
    bytesText(write.afterUnmap.peak.value!),
    reuseText(row),
    own === 0 ? bytesText(retiredSlot.peak.value!) : `${bytesText(retiredSlot.peak.value!)}, ${msText(own)}`,
  ];
}

/** Windows onto anything but own retired slots: how many close inside their call, how many outlive it and for how long. */
function windowsText(row: CompareRow, { recording }: CompareResult): string {
  const { devices } = row.exposure!;
  const inside = sumOf(devices, ({ stale }) => stale.other.windowsInsideCall);
  const outlive = sumOf(devices, ({ stale }) => stale.other.windows);
  const longest = Math.max(...devices.map(({ stale }) => stale.other.longest.value ?? 0));
  const hidden = row.policy === AS_RECORDED && recording.flushMoments === 'recorded' && recording.emulated;
  const parts: string[] = [];
  if (inside > 0) parts.push(`${countText(inside)} in the call`);
  if (outlive > 0) parts.push(`${countText(outlive)} up to ${hidden ? '?' : msText(longest)}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}

function sumOf(devices: readonly DeviceExposure[], figure: (device: DeviceExposure) => Figure): number {
  return devices.reduce((sum, device) => sum + (figure(device).value ?? 0), 0);
}
