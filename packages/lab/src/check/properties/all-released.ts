import type { CheckedMachine } from '../checked-machine.ts';
import type { Property, Violation } from './property.ts';

export const allReleased: Property = {
  name: 'P6',
  title: 'everything released',
  statement: 'Everything that was allocated is released: slots, device addresses, table pages.',
  why: 'What is not given back is missing one day: a pool runs dry, and every mapping fails.',
  exceptions: [
    'It is asked whenever no call is under way and every buffer is unmapped, by removing the devices: that flushes what waits, and shadow buffers go back only then.',
  ],
  appliesTo: () => true,
  isOfActions: false,
  find(checked: CheckedMachine): Violation | null {
    if (!checked.isQuiet()) return null;
    const { image } = checked;
    const here = image.newSnapshot();
    image.saveTo(here);
    const left = checked.leftOver();
    image.restore(here);
    if (left.length === 0) return null;
    return { property: 'P6', what: `left over at the end: ${left.join(', ')}`, device: -1, granule: -1, row: -1, needsCached: false };
  },
};
