import { LabError } from 'dmalab-core';
import { nearestName } from '../compare/nearest-name.ts';
import type { Attack, AttackNotModelled } from './attack.ts';
import { anyAddress } from './scripts/any-address.ts';
import { ats } from './scripts/ats.ts';
import { doubleFetch } from './scripts/double-fetch.ts';
import { driverStruct } from './scripts/driver-struct.ts';
import { earlyFree } from './scripts/early-free.ts';
import { nextSlot } from './scripts/next-slot.ts';
import { oneDomain } from './scripts/one-domain.ts';
import { pointerLeak } from './scripts/pointer-leak.ts';
import { residue } from './scripts/residue.ts';
import { secondIova } from './scripts/second-iova.ts';
import { skbMetadata } from './scripts/skb-metadata.ts';
import { slotReuse } from './scripts/slot-reuse.ts';
import { staleRead } from './scripts/stale-read.ts';
import { staleWrite } from './scripts/stale-write.ts';
import { subpageRead } from './scripts/subpage-read.ts';
import { subpageWrite } from './scripts/subpage-write.ts';
import { withheld } from './scripts/withheld.ts';

/** All attacks that are scripts, in the order of tables. */
export const attacks: readonly Attack[] = [
  anyAddress,
  subpageRead,
  subpageWrite,
  skbMetadata,
  driverStruct,
  secondIova,
  staleWrite,
  staleRead,
  slotReuse,
  earlyFree,
  nextSlot,
  residue,
  withheld,
  ats,
  doubleFetch,
  oneDomain,
  pointerLeak,
];

/** Known attacks that the model has no part in. */
export const attacksNotModelled: readonly AttackNotModelled[] = [
  {
    id: 'A17',
    name: 'boot-tables',
    statement: 'A card present at boot changes the remapping tables before the IOMMU starts.',
    reason: 'a machine of the model begins with translation on; firmware and boot are not modelled',
  },
  {
    id: 'A18',
    name: 'owner-change',
    statement: 'DMA is programmed by one owner of a device and executed after it has gone to another.',
    reason: 'devices of the model keep their owner and their domain',
  },
  {
    id: 'A19',
    name: 'own-ring',
    statement: 'The device corrupts its own descriptor ring or reports lengths that cannot be.',
    reason: 'what a driver does with a descriptor is not modelled; coherent memory is shared under every policy',
  },
  {
    id: 'A21',
    name: 'ring-flood',
    statement: 'The device predicts from earlier boots which frames its rings lie in.',
    reason: 'where a kernel puts its buffers from boot to boot is not modelled',
  },
];

/**
 * The attack of a name or id, in any case.
 *
 * @throws LabError ATK001 when there is none, ATK002 when the model has no part in it
 */
export function findAttack(wanted: string): Attack {
  const word = wanted.trim().toLowerCase();
  const isWanted = ({ id, name }: { id: string; name: string }): boolean => name === word || id.toLowerCase() === word;
  const attack = attacks.find(isWanted);
  if (attack !== undefined) return attack;
  const other = attacksNotModelled.find(isWanted);
  if (other !== undefined) {
    throw new LabError({
      code: 'ATK002',
      message: `Attack ${other.id} ${other.name} is not modelled.`,
      expected: 'an attack that is a script',
      got: `${other.name}: ${other.reason}`,
      next: 'dmalab attack lists those that are',
    });
  }
  const names = attacks.flatMap(({ id, name }) => [name, id]);
  const near = nearestName(word, names);
  throw new LabError({
    code: 'ATK001',
    message: 'There is no such attack.',
    expected: attacks.map(({ id, name }) => `${id} ${name}`).join(', '),
    got: wanted.replace(/[^\x20-\x7e]/g, '?').slice(0, 60) || '(nothing)',
    next: near === undefined ? 'choose one of these, by name or number' : `did you mean ${near}?`,
  });
}
