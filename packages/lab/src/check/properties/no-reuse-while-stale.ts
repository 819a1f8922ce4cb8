import { type CheckedMachine, SOMEBODY_ELSE } from '../checked-machine.ts';
import { Reach } from '../reach-table.ts';
import { deviceLetter, GRANULES_PER_PAGE } from '../small-machine.ts';
import type { Property, Violation } from './property.ts';

export const noReuseWhileStale: Property = {
  name: 'P3',
  title: 'no reuse while stale',
  statement: 'No memory or slot is given to anybody while a translation made for an earlier use of it still reaches it.',
  why: 'The new owner puts data there that the earlier device can read, or trusts data that it can change.',
  exceptions: [
    'A translation counts from the day it was made for those very bytes, whether the tables still hold it or only the IOTLB.',
    'Given to the same device again does not count: the device reaches nothing by the old translation that it does not reach by the new one. The next owner counts.',
    'Bytes that share a page with a buffer are not bytes that its translation was made for: they are a matter of P1.',
  ],
  appliesTo: () => true,
  isOfActions: true,
  find(checked: CheckedMachine): Violation | null {
    const { given, reach } = checked;
    for (let index = 0; index < given.length; index += 3) {
      const to = given[index + 2];
      for (let row = 0; row < reach.count; row++) {
        if (reach.device[row] === to) continue;
        const granule = firstMadeFor(checked, row, given[index], given[index + 1]);
        if (granule < 0) continue;
        const device = reach.device[row];
        const what = `${nameOf(checked, granule)} goes to ${to === SOMEBODY_ELSE ? 'somebody else' : `device ${deviceLetter(to)}`} while device ${deviceLetter(device)} still reaches it`;
        return { property: 'P3', what, device, granule, row, needsCached: (reach.how[row] & Reach.VALID) === 0 };
      }
    }
    return null;
  },
};

/** First granule from `first` to `last` that the translation was made for, -1 when there is none. */
function firstMadeFor({ reach }: CheckedMachine, row: number, first: number, last: number): number {
  const pageFirst = reach.page[row] * GRANULES_PER_PAGE;
  for (let granule = Math.max(first, pageFirst); granule <= last && granule < pageFirst + GRANULES_PER_PAGE; granule++) {
    if ((reach.made[row] & (1 << (granule - pageFirst))) !== 0) return granule;
  }
  return -1;
}

function nameOf({ poolGranules, ownerOf, spec }: CheckedMachine, granule: number): string {
  return granule < poolGranules ? 'a slot' : `the memory of ${spec.buffers[ownerOf[granule]].name}`;
}
