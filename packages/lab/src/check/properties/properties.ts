import { allReleased } from './all-released.ts';
import { dataIntact } from './data-intact.ts';
import { noChangeAfterUnmap } from './no-change-after-unmap.ts';
import { noEarlierBytes } from './no-earlier-bytes.ts';
import { noReuseWhileStale } from './no-reuse-while-stale.ts';
import { ownBytesOnly } from './own-bytes-only.ts';
import type { Property } from './property.ts';

/** P1 to P6 in order. */
export const properties: readonly Property[] = [
  ownBytesOnly,
  noChangeAfterUnmap,
  noReuseWhileStale,
  noEarlierBytes,
  dataIntact,
  allReleased,
];
