/** Plays attacks under policies and judges them by the bytes. */
import { type KernelRules, LabError, type ProtectionPolicy, policies } from 'dmalab-core';
import { choosePolicies } from '../compare/compare-options.ts';
import type { Attack, AttackCase } from './attack.ts';
import type { Obstacle } from './attack-device.ts';
import type { AttackOutcome, AttackResult, AttackRow, AttackVerdict, CaseOutcome } from './attack-result.ts';
import { attacks, attacksNotModelled, findAttack } from './attacks.ts';
import type { Gain } from './gain.ts';
import { differenceText, literatureVerdict } from './literature.ts';
import { RESIDUE_LABEL, Scene } from './scene.ts';

/** What the user chooses, as on the command line. */
export interface AttackOptions {
  /** Name or id of one attack; default all. */
  readonly attack?: string | undefined;
  /** Names of policies; default all. */
  readonly policies?: readonly string[] | undefined;
  /** `6.1` or `6.12`; default 6.12. */
  readonly kernel?: string | undefined;
  /** Seed of the secrets; default 1. */
  readonly seed?: number | undefined;
  /** False plays the same scripts with a device that keeps to its driver's orders; default true. */
  readonly hostile?: boolean | undefined;
}

const KERNEL_RULES: readonly KernelRules[] = ['6.1', '6.12'];

/** Why an access brought nothing, as the end of a sentence. */
const OBSTACLE_TEXTS: Readonly<Record<Obstacle, string>> = {
  'refused: never mapped': 'the IOMMU refuses an address that is not mapped',
  'refused: invalidated': 'the translation had been invalidated',
  'refused: no right': 'the IOMMU refuses an access without the right',
  'slot read': 'the device reads only a bounce slot, without a foreign byte in it',
  'slot written': 'the device writes only to a bounce slot, and nothing of that is copied over bytes in use',
  'own memory': 'the device reaches only memory of its own mappings',
  'no translated requests': 'ATS is off for untrusted devices, so the unit refuses requests that claim to be translated',
};

/**
 * Plays the attacks asked for.
 *
 * @throws LabError ATK001, ATK002 for an attack, ATK003 for kernel rules, CMP001 for a policy
 */
export function runAttacks(options: AttackOptions = {}): AttackResult {
  const kernel = chooseKernel(options.kernel);
  const chosenPolicies = choosePolicies(options.policies ?? policies.map(({ name }) => name));
  const chosen = options.attack === undefined ? attacks : [findAttack(options.attack)];
  const seed = options.seed ?? 1;
  const hostile = options.hostile ?? true;
  const withSteps = options.attack !== undefined;
  return {
    format: 'dmalab-attack',
    version: 1,
    kernelRules: kernel,
    seed,
    policies: chosenPolicies.map(({ name }) => name),
    attacks: chosen.map((attack): AttackRow => {
      const { id, name, statement, needs, hole, source } = attack;
      const outcomes = chosenPolicies.map((policy) => playAttack(attack, policy, { kernel, seed, hostile, withSteps }));
      return { id, name, statement, needs, hole, source, outcomes };
    }),
    notModelled: options.attack === undefined ? attacksNotModelled : [],
  };
}

/** How scripts are played. */
interface PlayOptions {
  readonly kernel: KernelRules;
  readonly seed: number;
  readonly hostile: boolean;
  /** Keep the steps of the story. */
  readonly withSteps: boolean;
}

/** Plays all cases of an attack under a policy. */
export function playAttack(attack: Attack, policy: ProtectionPolicy, options: PlayOptions): AttackOutcome {
  const { kernel } = options;
  const cases = attack.cases.map((one) => playCase(attack, one, policy, options));
  const verdict = verdictOf(cases.map((one) => one.verdict));
  return {
    policy: policy.name,
    verdict,
    literature: literatureVerdict(attack.id, policy.name) ?? null,
    difference: kernel === '6.12' ? (differenceText(attack.id, policy.name) ?? null) : null,
    bytesRead: cases.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
    bytesChanged: cases.reduce((sum, { bytesChanged }) => sum + bytesChanged, 0),
    cases,
  };
}

function playCase(attack: Attack, one: AttackCase, policy: ProtectionPolicy, options: PlayOptions): CaseOutcome {
  if (one.appliesTo?.(policy) === false) {
    const why = 'there is nothing of the kind under this policy';
    return { name: one.name, verdict: 'does not apply', bytesRead: 0, bytesChanged: 0, why, gains: [], reachedAfterUnmapNs: 0, steps: [] };
  }
  const scene = new Scene({ policy, ...options }, one.shape ?? {});
  one.play(scene);
  const { gains, steps, device } = scene;
  const stopped = gains.length === 0;
  return {
    name: one.name,
    verdict: stopped ? 'stopped' : 'not stopped',
    bytesRead: bytesOf(gains, 'read'),
    bytesChanged: bytesOf(gains, 'changed'),
    why: stopped ? obstacleText(device.obstacles) : holeText(attack, one, policy, gains),
    gains,
    reachedAfterUnmapNs: device.reachedAfterUnmapNs,
    steps: options.withSteps ? steps : [],
  };
}

function verdictOf(cases: readonly AttackVerdict[]): AttackVerdict {
  const played = cases.filter((verdict) => verdict !== 'does not apply');
  if (played.length === 0) return 'does not apply';
  return played.every((verdict) => verdict === played[0]) ? played[0] : 'partly';
}

function bytesOf(gains: readonly Gain[], kind: Gain['kind']): number {
  return gains.reduce((sum, gain) => (gain.kind === kind ? sum + gain.bytes : sum), 0);
}

/** What let it through. Old data in the slots is a hole of its own, whatever the script was after. */
function holeText(attack: Attack, one: AttackCase, policy: ProtectionPolicy, gains: readonly Gain[]): string {
  if (!policy.translated) return 'nothing is translated: the device reaches all memory';
  if (gains.every(({ label }) => label === RESIDUE_LABEL))
    return 'the pages of the slots hold data of an earlier transfer that nobody has cleared';
  return one.hole ?? attack.hole;
}

function obstacleText(obstacles: ReadonlySet<Obstacle>): string {
  return obstacles.size === 0
    ? 'nothing foreign comes within reach'
    : [...obstacles].map((obstacle) => OBSTACLE_TEXTS[obstacle]).join('; ');
}

function chooseKernel(wanted: string | undefined): KernelRules {
  const kernel = KERNEL_RULES.find((rules) => rules === (wanted ?? '6.12'));
  if (kernel !== undefined) return kernel;
  throw new LabError({
    code: 'ATK003',
    message: 'There are no rules of this kernel.',
    expected: KERNEL_RULES.join(' or '),
    got:
      String(wanted)
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, 60) || '(nothing)',
    next: 'leave --kernel out for the rules of 6.12',
  });
}
