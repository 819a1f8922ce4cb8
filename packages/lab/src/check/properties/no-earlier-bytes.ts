import { isUserPolicy } from '../../user-policy/user-policy.ts';
import type { CheckedMachine } from '../checked-machine.ts';
import { bufferOfLabel } from '../labels.ts';
import { Reach } from '../reach-table.ts';
import { deviceLetter, GRANULES_PER_PAGE } from '../small-machine.ts';
import type { Property, Violation } from './property.ts';

export const noEarlierBytes: Property = {
  name: 'P4',
  title: 'no bytes of earlier slot owner',
  statement: 'No byte left in a slot by an earlier owner is readable.',
  why: 'Freed slots keep their contents: whoever reaches the slot next reads what another device sent or received.',
  exceptions: [
    'Owners are devices: what an earlier buffer of the same device left is its own former data.',
    'What a driver leaves in its own buffer that only the device writes is copied in by 6.12 and later and readable where entries are; 6.1 zeroes it.',
  ],
  // A policy of the user's own may bounce what it likes.
  appliesTo: (policy) => isUserPolicy(policy) || policy.bounces(0, 1),
  isOfActions: false,
  find(checked: CheckedMachine): Violation | null {
    const { reach, memory, poolGranules, spec } = checked;
    for (let row = 0; row < reach.count; row++) {
      const first = reach.page[row] * GRANULES_PER_PAGE;
      if (first >= poolGranules) continue;
      const device = reach.device[row];
      for (let granule = first; granule < first + GRANULES_PER_PAGE; granule++) {
        const left = bufferOfLabel(memory.labels[granule]);
        if (left < 0) continue;
        const { device: leaver, name } = spec.buffers[left];
        if (leaver === device || checked.holderOfGranule(granule) === leaver) continue;
        const what = `device ${deviceLetter(device)} can read what ${name} left in a slot`;
        return { property: 'P4', what, device, granule, row, needsCached: (reach.how[row] & Reach.VALID) === 0 };
      }
    }
    return null;
  },
};
