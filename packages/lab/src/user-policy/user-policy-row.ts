import { LabError } from 'dmalab-core';
import { PolicyRow } from '../compare/policy-row.ts';
import type { ReplayCall } from '../compare/replay-call.ts';
import type { MeasureOptions } from '../compare/row-measures.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { thrownLine, thrownText } from './thrown.ts';
import type { UserPolicy } from './user-policy.ts';

/**
 * The row of a user's policy.
 *
 * @throws LabError POL010 when no machine can be built with its steps
 */
export function userPolicyRow(policy: UserPolicy, machine: RecordedMachine, measured: MeasureOptions | undefined): PolicyRow {
  try {
    return new UserPolicyRow(policy, machine, measured);
  } catch (error) {
    throw refused(error, policy, 0);
  }
}

/** A row whose policy may do anything: what goes wrong in it is the policy's, and never ours. */
class UserPolicyRow extends PolicyRow {
  private readonly policy: UserPolicy;

  constructor(policy: UserPolicy, machine: RecordedMachine, measured: MeasureOptions | undefined) {
    super(policy.name, policy.summary, machine, false, measured);
    this.policy = policy;
  }

  /** @throws LabError POL009 and POL010 */
  override replay(call: ReplayCall): boolean {
    const { watch } = this.policy.source;
    watch.enter();
    try {
      return super.replay(call);
    } catch (error) {
      throw refused(error, this.policy, call.timeNs);
    } finally {
      watch.leave();
    }
  }
}

/**
 * Runs the engine with a user's policy outside of a row.
 *
 * @throws LabError POL010 when it cannot go on with the policy's steps
 */
export function runUserPolicy<T>(policy: UserPolicy, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw refused(error, policy, 0);
  }
}

function refused(error: unknown, { source, name }: UserPolicy, timeNs: number): unknown {
  if (error instanceof LabError) return error;
  return new LabError({
    code: 'POL010',
    message: `The engine cannot go on with the steps of ${name}.`,
    file: source.file,
    line: thrownLine(error, source.path),
    expected: 'steps that leave the machine in order, see docs/policies.md',
    got: `${thrownText(error)}, in a call at ${(timeNs / 1e9).toFixed(6)} s`,
    next: 'compare the step lists with those of a policy of dmalab',
  });
}
