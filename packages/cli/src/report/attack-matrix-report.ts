/** The matrix of `dmalab attack` as text: attacks by policies. */
import type { AttackOutcome, AttackResult } from 'dmalab-lab';
import { counted, countText, NOT_APPLICABLE } from '../terminal/format.ts';
import { type TableColumn, tableLines } from '../terminal/table.ts';
import { labelled, wrapped } from '../terminal/wrap.ts';

const BOUND_INDENT = 8;
const ATTACK_COLUMN: TableColumn = { title: ['attack'], align: 'left', dropOrder: 0 };
const LEGEND = [
  'stop   the script got nothing   part   some of its cases got through   -   does not apply',
  'r n    not stopped: n bytes of others read   w n   n bytes changed   rw n   both together',
];

/** How far a result reaches: without this no line of it may stand. */
export function attackBound(result: AttackResult, columns: number): string[] {
  const scripts = counted(result.attacks.length, 'script');
  const cases = counted(
    result.attacks.reduce((sum, { outcomes }) => sum + (outcomes[0]?.cases.length ?? 0), 0),
    'case',
  );
  const text = `${scripts}, ${cases}, each on a fresh modelled machine (${result.kernelRules} rules, seed ${result.seed}); "stopped" holds for these scripts, no more`;
  return wrapped(`BOUND   ${text}`, columns, BOUND_INDENT);
}

/** The verdict, made once for all outputs: at most three lines. */
export function attackAnswer(result: AttackResult, columns: number): string[] {
  const [only] = result.attacks;
  if (result.attacks.length === 1 && only !== undefined) {
    const groups = (['stopped', 'partly', 'not stopped', 'does not apply'] as const).flatMap((verdict) => {
      const names = only.outcomes.filter((outcome) => outcome.verdict === verdict).map(({ policy }) => policy);
      return names.length === 0 ? [] : [`${VERDICT_WORDS[verdict]} ${names.join(', ')}`];
    });
    return wrapped(`ANSWER  ${only.id} ${only.name}: ${groups.join('; ')}.`, columns, BOUND_INDENT);
  }
  const shares = result.policies.map((policy, index) => {
    const outcomes = result.attacks.map((row) => row.outcomes[index]!).filter(({ verdict }) => verdict !== 'does not apply');
    return `${policy} ${outcomes.filter(({ verdict }) => verdict === 'stopped').length}/${outcomes.length}`;
  });
  return wrapped(`ANSWER  attacks stopped, of those that apply: ${shares.join(', ')}.`, columns, BOUND_INDENT);
}

const VERDICT_WORDS = {
  stopped: 'stopped by',
  partly: 'partly by',
  'not stopped': 'NOT stopped by',
  'does not apply': 'does not apply to',
} as const;

/** A row per attack, a column per policy. */
export function attackMatrixLines(result: AttackResult, columns: number): string[] {
  const policyColumns = result.policies.map((policy): TableColumn => ({ title: titleOf(policy), align: 'right', dropOrder: 0 }));
  const rows = result.attacks.map(({ id, name, outcomes }) => [`${id} ${name}`, ...outcomes.map(cellOf)]);
  return [...tableLines([ATTACK_COLUMN, ...policyColumns], rows, columns), ...LEGEND.flatMap((line) => wrapped(line, columns, 7))];
}

/** Attacks without a script, each with the reason. */
export function notModelledLines(result: AttackResult, columns: number): string[] {
  return result.notModelled.flatMap(({ id, name, reason }) => labelled('absent', `${id} ${name}: ${reason}`, columns));
}

/** The words of a policy's name under each other; `passthrough` is too long for one line. */
function titleOf(policy: string): string[] {
  return policy.replace('passthrough', 'pass-through').split('-');
}

function cellOf({ verdict, bytesRead, bytesChanged }: AttackOutcome): string {
  if (verdict === 'does not apply') return NOT_APPLICABLE;
  if (verdict === 'stopped') return 'stop';
  if (verdict === 'partly') return 'part';
  return `${bytesRead > 0 ? 'r' : ''}${bytesChanged > 0 ? 'w' : ''}${countText(bytesRead + bytesChanged)}`;
}
