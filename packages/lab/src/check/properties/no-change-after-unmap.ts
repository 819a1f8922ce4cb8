import { Rights } from 'dmalab-core';
import { BufferState, type CheckedMachine } from '../checked-machine.ts';
import { Reach } from '../reach-table.ts';
import { deviceLetter, GRANULES_PER_PAGE } from '../small-machine.ts';
import type { Property, Violation } from './property.ts';

export const noChangeAfterUnmap: Property = {
  name: 'P2',
  title: 'no change after unmap',
  statement: 'After unmap has returned, no device can change what the CPU sees of the buffer.',
  why: 'A driver checks what it received and then uses it: a device that can still write changes it in between.',
  exceptions: [
    'Any device counts, by a translation of the buffer itself or of a neighbour in the same page.',
    'It asks for the right to write, not for a write: what can be written is as bad as what is.',
  ],
  appliesTo: () => true,
  isOfActions: false,
  find(checked: CheckedMachine): Violation | null {
    const { reach, poolGranules, ownerOf, bufferState, spec } = checked;
    for (let row = 0; row < reach.count; row++) {
      if ((reach.rights[row] & Rights.WRITE) === 0) continue;
      const first = reach.page[row] * GRANULES_PER_PAGE;
      if (first < poolGranules) continue;
      for (let granule = first; granule < first + GRANULES_PER_PAGE; granule++) {
        const owner = ownerOf[granule];
        if (owner < 0 || bufferState[owner] !== BufferState.ENDED || spec.buffers[owner].coherent) continue;
        const device = reach.device[row];
        const what = `device ${deviceLetter(device)} can write to ${spec.buffers[owner].name}, whose unmap has returned`;
        return { property: 'P2', what, device, granule, row, needsCached: (reach.how[row] & Reach.VALID) === 0 };
      }
    }
    return null;
  },
};
