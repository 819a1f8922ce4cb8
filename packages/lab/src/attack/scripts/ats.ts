import type { Attack } from '../attack.ts';

const KEY_BYTES = 256;

/** A14. */
export const ats: Attack = {
  id: 'A14',
  name: 'ats',
  statement: 'The device claims that an address is already translated, so that nothing is checked.',
  needs: 'ATS enabled for the device, and no bridge that blocks such requests',
  hole: 'a device with ATS is trusted to have asked for the translation before',
  source: 'Thunderclap, NDSS 2019, story 8; Linux v6.12 drivers/pci/ats.c pci_ats_supported()',
  cases: [
    {
      name: 'read',
      play: (scene) => {
        const phys = scene.newPages();
        scene.placeSecret('keyring', 'a disk key', phys, KEY_BYTES);
        scene.device.readTranslated(phys, KEY_BYTES, 'an address that it guesses');
      },
    },
  ],
};
