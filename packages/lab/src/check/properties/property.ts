import type { PropertyName, ProtectionPolicy } from 'dmalab-core';
import type { CheckedMachine } from '../checked-machine.ts';

/** How a state, or the action that led to it, breaks a property. */
export interface Violation {
  readonly property: PropertyName;
  /** What broke it, in words. */
  readonly what: string;
  /** Device that reaches what it must not; -1 where no device takes part. */
  readonly device: number;
  /** Granule of the window it is about; -1 for none. */
  readonly granule: number;
  /** Row of the reach table by which the device reaches it; -1 for none. */
  readonly row: number;
  /** Whether the tables do not hold the translation any more, so that the device must have used it before. */
  readonly needsCached: boolean;
}

/** A statement about protection that holds in every state, or does not. */
export interface Property {
  readonly name: PropertyName;
  /** Two to five words for the margin of a table. */
  readonly title: string;
  readonly statement: string;
  /** Why it matters. */
  readonly why: string;
  /** What is known and does not count, and where the statement draws its line. */
  readonly exceptions: readonly string[];
  appliesTo(policy: ProtectionPolicy): boolean;
  /** Looks at the machine after an action. */
  find(checked: CheckedMachine): Violation | null;
  /** Whether a repeated visit of a state by another action can break it although the state is known. */
  readonly isOfActions: boolean;
}
