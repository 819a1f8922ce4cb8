import type { Machine, ObservationLog } from 'dmalab-core';

/** Domain ids have 16 bits. */
const DOMAIN_IDS = 2 ** 16;

/** To whom a row of the log counts: its device, else its domain (numbered after the devices), else the last, for nobody known. */
export class ObservationOwners {
  readonly count: number;
  private readonly ownerOfDomain: Int32Array;

  constructor(machine: Machine) {
    const devices = machine.devices.length;
    this.count = devices + machine.domains.length + 1;
    this.ownerOfDomain = new Int32Array(DOMAIN_IDS).fill(this.count - 1);
    for (const { id, index } of machine.domains) this.ownerOfDomain[id] = devices + index;
  }

  ownerOf(log: ObservationLog, row: number): number {
    const device = log.device[row];
    if (device >= 0) return device;
    const domain = log.domain[row];
    return domain >= 0 ? this.ownerOfDomain[domain] : this.count - 1;
  }
}
