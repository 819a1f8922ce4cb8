import { Direction } from 'dmalab-core';
import { ATTACKER } from '../actors.ts';
import type { Attack } from '../attack.ts';

const RESPONSE_BYTES = 96;
const POINTERS_BYTES = 64;

/** A5. */
export const driverStruct: Attack = {
  id: 'A5',
  name: 'driver-struct',
  statement: 'The device changes function pointers of the driver that stand in one structure with its buffer.',
  needs: 'a buffer that is a field of a structure of the driver',
  hole: 'the IOMMU maps whole pages, so the rest of the structure is writable with the field',
  source: 'Characterizing DMA Code Injection Vulnerabilities, EuroSys 2021, type a',
  cases: [
    {
      name: 'a response field',
      play: (scene) => {
        const structure = scene.newPages() + 0x440;
        const pointers = structure + RESPONSE_BYTES;
        scene.store(pointers, POINTERS_BYTES, 0xff);
        const range = { owner: 'driver', label: 'function pointers of the request', phys: pointers, bytes: POINTERS_BYTES };
        scene.watch(range, 'keeps its function pointers behind the response field');
        const request = { device: ATTACKER, phys: structure, bytes: RESPONSE_BYTES, direction: Direction.FROM_DEVICE };
        const response = scene.map({ ...request, who: 'driver', what: 'the response field of a request' });
        if (response === null) return;
        scene.device.overwritePagesOf(response);
        scene.device.deliver(response, RESPONSE_BYTES, 'a response');
        scene.unmap('driver', response);
      },
    },
  ],
};
