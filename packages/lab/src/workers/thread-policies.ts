/** The policies that a thread is told by names and files. */
import { type ProtectionPolicy, policies as shipped } from 'dmalab-core';
import { choosePolicies } from '../compare/compare-options.ts';
import { isPolicyFile, loadPolicyFile } from '../user-policy/load-policy-file.ts';
import type { SharedWatch } from './shared-watch.ts';

/**
 * All of them: every thread has to know them, to share them out alike.
 *
 * @param words  in the order of the rows; default all that come with dmalab
 * @throws LabError CMP001 and POL001 to POL009
 */
export async function threadPolicies(words: readonly string[] | undefined, watch: SharedWatch): Promise<readonly ProtectionPolicy[]> {
  const wanted: (string | ProtectionPolicy)[] = [];
  const taken: string[] = [];
  for (const word of words ?? shipped.map(({ name }) => name)) {
    const policy = isPolicyFile(word) ? await loadPolicyFile(word, taken, watch) : word;
    if (typeof policy !== 'string') taken.push(policy.name);
    wanted.push(policy);
  }
  return choosePolicies(wanted);
}
