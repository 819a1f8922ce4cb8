import { assert, type IovaPfn, type Machine, NOT_MAPPED, PAGE_SIZE, Rights, type StateArena, translatePfn } from 'dmalab-core';
import { pageAddress } from './small-machine.ts';

/** How a device reaches a page. */
export const Reach = { VALID: 1, CACHED: 2 } as const;

/**
 * Every translation by which a device reaches a page: in the tables, in the IOTLB, or both. The tables and the IOTLB of
 * the engine decide; this only remembers where to look, and for which bytes each translation was made.
 *
 * Rows are sorted, so that equal sets are equal states. A device without translation reaches each page by a row of its own
 * that is always there.
 */
export class ReachTable {
  device!: Uint8Array<ArrayBuffer>;
  /** Page of device addresses; of an untranslated device the physical page. */
  iovaPfn!: Uint32Array<ArrayBuffer>;
  /** Page of the window. */
  page!: Uint8Array<ArrayBuffer>;
  /** Granules of the page that the mapping was made for, bit k for granule k; all uses so far for an untranslated device. */
  made!: Uint8Array<ArrayBuffer>;
  rights!: Uint8Array<ArrayBuffer>;
  /** Reach bits. */
  how!: Uint8Array<ArrayBuffer>;
  private scalar!: Uint32Array<ArrayBuffer>;
  private readonly machine: Machine;
  private readonly cachesEagerly: boolean;

  /**
   * @param rows          most translations at once
   * @param cachesEagerly whether devices read each page as soon as it is mapped
   */
  constructor(arena: StateArena, machine: Machine, pages: number, rows: number, cachesEagerly: boolean) {
    this.machine = machine;
    this.cachesEagerly = cachesEagerly;
    const untranslated = machine.devices.filter(({ domain }) => domain === null);
    arena.table(
      'reach.rows',
      rows + untranslated.length * pages,
      { iovaPfn: 'u32', device: 'u8', page: 'u8', made: 'u8', rights: 'u8', how: 'u8' },
      (columns) => {
        this.device = columns.device;
        this.iovaPfn = columns.iovaPfn;
        this.page = columns.page;
        this.made = columns.made;
        this.rights = columns.rights;
        this.how = columns.how;
      },
    );
    arena.table('reach.count', 1, { scalar: 'u32' }, (columns) => {
      this.scalar = columns.scalar;
    });
    for (const { index } of untranslated) {
      for (let page = 0; page < pages; page++) {
        const row = this.insert(index, pageAddress(page) / PAGE_SIZE, page);
        this.rights[row] = Rights.READ_WRITE;
        this.how[row] = Reach.VALID;
      }
    }
  }

  get count(): number {
    return this.scalar[0];
  }

  /** A page has been mapped. */
  add(device: number, iovaPfn: IovaPfn, page: number, made: number, rights: number): void {
    const row = this.insert(device, iovaPfn, page);
    this.made[row] |= made;
    this.rights[row] = rights;
    this.how[row] = Reach.VALID;
    if (this.cachesEagerly) this.cache(row);
  }

  /** An untranslated device has been given granules of a page to use. */
  noteUse(device: number, page: number, made: number): void {
    for (let row = 0; row < this.count; row++) if (this.device[row] === device && this.page[row] === page) this.made[row] |= made;
  }

  /** The device uses the translation, so that the IOTLB may hold it from now on. */
  cache(row: number): void {
    const { machine } = this;
    const device = machine.devices[this.device[row]];
    if (device.domain === null) return;
    translatePfn(machine.unit!, device.parameters.sourceId, this.iovaPfn[row], (this.rights[row] & Rights.WRITE) !== 0);
    this.look(row);
  }

  /** The IOTLB drops the entry on its own account. */
  evict(row: number): void {
    const { machine } = this;
    machine.unit!.iotlb!.cache.dropRange(machine.devices[this.device[row]].domain!.id, 1, this.iovaPfn[row], this.iovaPfn[row]);
    this.look(row);
  }

  /** Looks again at tables and IOTLB, and forgets what neither holds. */
  refresh(): void {
    for (let row = this.count - 1; row >= 0; row--) {
      if (this.machine.devices[this.device[row]].domain === null) continue;
      this.look(row);
      if (this.how[row] === 0) this.remove(row);
      else if (this.cachesEagerly && this.how[row] === Reach.VALID) this.cache(row);
    }
  }

  private look(row: number): void {
    const { machine } = this;
    const { hardware, id } = machine.devices[this.device[row]].domain!;
    const pfn = pageAddress(this.page[row]) / PAGE_SIZE;
    const iovaPfn = this.iovaPfn[row];
    const mapped = hardware.lookup(iovaPfn);
    const { cache } = machine.unit!.iotlb!;
    const entry = cache.find(id, iovaPfn, 1);
    this.how[row] =
      (mapped !== NOT_MAPPED && mapped === pfn ? Reach.VALID : 0) | (entry >= 0 && cache.pfn[entry] === pfn ? Reach.CACHED : 0);
  }

  /** Row of the translation, made where it belongs if it is not there yet. */
  private insert(device: number, iovaPfn: IovaPfn, page: number): number {
    let row = 0;
    while (row < this.count && this.compare(row, device, iovaPfn, page) < 0) row++;
    if (row < this.count && this.compare(row, device, iovaPfn, page) === 0) return row;
    assert(this.count < this.device.length, 'the small machine has room for its translations');
    this.move(row, row + 1, this.count);
    this.device[row] = device;
    this.iovaPfn[row] = iovaPfn;
    this.page[row] = page;
    this.made[row] = 0;
    this.scalar[0] += 1;
    return row;
  }

  private remove(row: number): void {
    this.move(row + 1, row, this.count);
    this.scalar[0] -= 1;
    const last = this.count;
    this.device[last] = 0;
    this.iovaPfn[last] = 0;
    this.page[last] = 0;
    this.made[last] = 0;
    this.rights[last] = 0;
    this.how[last] = 0;
  }

  private move(from: number, to: number, end: number): void {
    this.device.copyWithin(to, from, end);
    this.iovaPfn.copyWithin(to, from, end);
    this.page.copyWithin(to, from, end);
    this.made.copyWithin(to, from, end);
    this.rights.copyWithin(to, from, end);
    this.how.copyWithin(to, from, end);
  }

  private compare(row: number, device: number, iovaPfn: IovaPfn, page: number): number {
    return this.device[row] - device || this.iovaPfn[row] - iovaPfn || this.page[row] - page;
  }
}
