import type { CheckedMachine } from '../checked-machine.ts';
import { bufferOfLabel, ZEROED } from '../labels.ts';
import { Reach } from '../reach-table.ts';
import { deviceLetter, GRANULES_PER_PAGE } from '../small-machine.ts';
import type { Property, Violation } from './property.ts';

export const ownBytesOnly: Property = {
  name: 'P1',
  title: 'reach only own bytes',
  statement:
    'A device reaches only bytes of its live buffers, its coherent memory, zeroed padding of its own slots, or dead slots that hold nothing but its own former data.',
  why: 'An IOMMU maps whole pages, and a translation outlives its mapping until it is invalidated: what else lies there can be read and written.',
  exceptions: [
    'A buffer is live from the call that maps it to the return of the call that unmaps it, both calls included.',
    'What the driver itself left in a buffer that only the device writes is its own former data, also where a kernel copies it into the slots.',
  ],
  appliesTo: () => true,
  isOfActions: false,
  find(checked: CheckedMachine): Violation | null {
    const { reach, memory, poolGranules, ownerOf, spec } = checked;
    for (let row = 0; row < reach.count; row++) {
      const device = reach.device[row];
      const first = reach.page[row] * GRANULES_PER_PAGE;
      for (let granule = first; granule < first + GRANULES_PER_PAGE; granule++) {
        let what: string | null = null;
        if (granule < poolGranules) {
          const holder = checked.holderOfGranule(granule);
          const label = memory.labels[granule];
          if (holder >= 0 && holder !== device) what = `a slot of device ${deviceLetter(holder)}`;
          else if (label !== ZEROED && spec.buffers[bufferOfLabel(label)].device !== device)
            what = `what ${spec.buffers[bufferOfLabel(label)].name} left in a slot`;
        } else {
          const owner = ownerOf[granule];
          if (owner < 0) what = 'memory of the kernel';
          else if (spec.buffers[owner].device !== device) what = `bytes of ${spec.buffers[owner].name}`;
          else if (!checked.isLive(owner)) what = `bytes of ${spec.buffers[owner].name}, which is not mapped`;
        }
        if (what !== null) return violation(device, granule, row, what, (reach.how[row] & Reach.VALID) === 0);
      }
    }
    return null;
  },
};

function violation(device: number, granule: number, row: number, what: string, needsCached: boolean): Violation {
  return { property: 'P1', what: `device ${deviceLetter(device)} reaches ${what}`, device, granule, row, needsCached };
}
