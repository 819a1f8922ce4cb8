import type { CheckedMachine } from '../checked-machine.ts';
import type { Property, Violation } from './property.ts';

export const dataIntact: Property = {
  name: 'P5',
  title: 'data arrives intact',
  statement: 'What a driver hands to its device, in whole or in part, the device finds; what the device wrote, the driver finds.',
  why: 'Protection that loses or mixes up data is no protection.',
  exceptions: [
    'Devices write only into their own mapped buffers here: what a hostile one can spoil is a matter of P1 to P3.',
    'Under 6.1 rules the part of a bounced buffer that only the device writes, and did not, comes back zeroed.',
  ],
  appliesTo: () => true,
  isOfActions: true,
  find(checked: CheckedMachine): Violation | null {
    const { wrongGranule, ownerOf, spec } = checked;
    if (wrongGranule < 0) return null;
    const { name } = spec.buffers[ownerOf[wrongGranule]];
    return {
      property: 'P5',
      what: `wrong data where ${name} should be found`,
      device: -1,
      granule: wrongGranule,
      row: -1,
      needsCached: false,
    };
  },
};
