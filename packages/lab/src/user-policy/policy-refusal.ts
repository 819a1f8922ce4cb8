import { LabError } from 'dmalab-core';
import { thrownLine, thrownText } from './thrown.ts';
import type { UserPolicy } from './user-policy.ts';

/**
 * What goes wrong while the engine runs a user's policy is the policy's, and never ours.
 *
 * @param where  when or where that was, `in a call at 5.000012 s`
 * @returns the error itself when it says already what is wrong, else POL010
 */
export function policyRefusal(error: unknown, { source, name }: UserPolicy, where: string): LabError {
  if (error instanceof LabError) return error;
  return new LabError({
    code: 'POL010',
    message: `The engine cannot go on with the steps of ${name}.`,
    file: source.file,
    line: thrownLine(error, source.path),
    expected: 'steps that leave the machine in order, see docs/policies.md',
    got: `${thrownText(error)}, ${where}`,
    next: 'compare the step lists with those of a policy of dmalab',
  });
}
