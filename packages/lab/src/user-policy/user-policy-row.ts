import { PolicyRow } from '../compare/policy-row.ts';
import type { ReplayCall } from '../compare/replay-call.ts';
import type { MeasureOptions } from '../compare/row-measures.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { policyRefusal } from './policy-refusal.ts';
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
    throw policyRefusal(error, policy, 'before the first call');
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
      throw policyRefusal(error, this.policy, `in a call at ${(call.timeNs / 1e9).toFixed(6)} s`);
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
    throw policyRefusal(error, policy, 'on many CPUs');
  }
}
