import type { Direction } from 'dmalab-core';
import type { RecordedCall } from '../replay/call-records.ts';
import type { OpenMappings } from './open-mappings.ts';
import { type PolicyRow, unmapKind } from './policy-row.ts';
import { ReplayCall } from './replay-call.ts';

/** A mapping that the recording leaves open. */
export interface OpenAtEnd {
  /** Name of the device. */
  readonly device: string;
  /** Line of the file that its call begins with. */
  readonly line: number;
  /** As the recording has them. */
  readonly dmaAddr: number;
  readonly bytes: number;
}

/** What a row still holds. */
export interface Holdings {
  /** Bounce slots in use. */
  readonly slots: number;
  /** Pages of I/O address space in use or waiting for a flush. */
  readonly iovaPages: number;
  /** Ranges that wait on flush queues. */
  readonly queued: number;
  /** Pages of the domains' page tables, by what the row has counted. */
  readonly tablePages: number;
  /** Page frames that the tables of the unit and of the domains have together. */
  readonly frames: number;
}

/** Mappings that the recording leaves open, in the order of their lines. */
export function openAtEnd(row: PolicyRow, open: OpenMappings): OpenAtEnd[] {
  return openRows(open).map((mapping) => ({
    device: row.machine.devices[open.device[mapping]].parameters.name,
    line: open.line[mapping],
    dmaAddr: open.dmaAddr[mapping],
    bytes: open.bytes[mapping],
  }));
}

/**
 * Ends what a recording leaves open: unmaps and frees it in the order of its lines, then removes the devices, which
 * flushes every queue once. The row's figures are to be taken before.
 *
 * @returns what the row then still holds: nothing but the frames of the unit itself, or something was lost
 */
export function closeRow(row: PolicyRow, open: OpenMappings): Holdings {
  const call = new ReplayCall();
  call.timeNs = row.machine.observations.nowNs;
  for (const mapping of openRows(open)) {
    call.kind = unmapKind(open.kind[mapping] as RecordedCall);
    call.device = open.device[mapping];
    call.mapping = mapping;
    call.bytes = open.bytes[mapping];
    call.direction = open.direction[mapping] as Direction;
    row.replay(call);
  }
  row.removeDevices();
  return holdings(row);
}

export function holdings({ machine, counts }: PolicyRow): Holdings {
  const sum = (of: (domain: (typeof machine.domains)[number]) => number): number =>
    machine.domains.reduce((total, domain) => total + of(domain), 0);
  return {
    slots: machine.pool?.used ?? 0,
    iovaPages: sum(({ iovaPages }) => iovaPages),
    queued: sum(({ flushQueue }) => flushQueue?.entries ?? 0),
    tablePages: counts.tablePagesTotal,
    frames: machine.frames.framesInUse,
  };
}

function openRows(open: OpenMappings): number[] {
  const rows = Array.from({ length: open.capacity }, (_, row) => row).filter((row) => open.isOpen(row));
  return rows.sort((a, b) => open.line[a] - open.line[b] || a - b);
}
