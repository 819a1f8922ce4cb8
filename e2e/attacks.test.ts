/** Holds docs/attacks.md to what the attacks do: its tables are made here and must stand in it word for word. */
import { readFileSync } from 'node:fs';
import { type AttackResult, runAttacks } from 'dmalab-lab';
import { describe, expect, test } from 'vitest';
import { dmalab } from './dmalab.ts';

const page = readFileSync(new URL('../docs/attacks.md', import.meta.url), 'utf8');
const result = runAttacks();
const old = runAttacks({ kernel: '6.1' });

const SIGNS = { stopped: 'stopped', 'not stopped': '**NOT**', partly: 'partly', 'does not apply': '-' } as const;

describe('docs/attacks.md', () => {
  test('lists every attack with its cases', () => {
    expect(page).toContain(attackTable());
  });

  test('shows the matrix, and how that of 6.1 differs', () => {
    expect(page).toContain(matrixTable());
    expect(page).toContain(oldTable());
  });

  test('explains every cell that differs from the literature', () => {
    expect(page).toContain(differenceTable());
  });

  test('names every attack that is not modelled, with the reason', () => {
    expect(page).toContain(table(['Attack', 'What the device does', 'Why not'], notModelledRows()));
  });
});

describe('dmalab attack', () => {
  test('accepts the names that it prints', () => {
    const { out } = dmalab(['attack', '--policy', 'lazy']);
    const names = [...out.matchAll(/^(A\d+) ([a-z0-9-]+) /gm)].flatMap(([, id, name]) => [id!, name!]);
    expect(names).toHaveLength(2 * result.attacks.length);
    for (const { id, name } of result.attacks) expect(names).toEqual(expect.arrayContaining([id, name]));
  });
});

function attackTable(): string {
  const rows = result.attacks.map(({ id, name, statement, needs, outcomes, source }) => {
    const cases = outcomes[0]!.cases.map((one) => one.name).join('; ');
    return [`${id} ${name}`, statement, needs, cases, source];
  });
  return table(['Attack', 'What the device does', 'Needs', 'Cases', 'Source'], rows);
}

function matrixTable(): string {
  const rows = result.attacks.map(({ id, name, outcomes }) => [
    `${id} ${name}`,
    ...outcomes.map(({ verdict, bytesRead, bytesChanged }) => {
      const read = bytesRead > 0 ? ` r${bytesRead}` : '';
      const changed = bytesChanged > 0 ? ` w${bytesChanged}` : '';
      return `${SIGNS[verdict]}${read}${changed}`;
    }),
  ]);
  return table(['Attack', ...result.policies], rows);
}

/** Cells that are others under the rules of 6.1. */
function oldTable(): string {
  const rows = cells(old).flatMap(([attack, policy, verdict], index) => {
    const now = cells(result)[index]![2];
    return verdict === now ? [] : [[attack, policy, now, verdict]];
  });
  return table(['Attack', 'Policy', '6.12 rules', '6.1 rules'], rows);
}

function cells({ attacks }: AttackResult): [string, string, string][] {
  return attacks.flatMap(({ id, name, outcomes }) =>
    outcomes.map(({ policy, verdict, bytesRead, bytesChanged }): [string, string, string] => {
      return [`${id} ${name}`, policy, `${verdict}, ${bytesRead} read, ${bytesChanged} changed`];
    }),
  );
}

function differenceTable(): string {
  const rows = new Map<string, string[]>();
  for (const { id, outcomes } of result.attacks) {
    for (const { policy, verdict, literature, difference } of outcomes) {
      if (literature === null || literature === verdict) continue;
      const key = [id, literature, verdict, difference].join('|');
      rows.set(key, [...(rows.get(key) ?? []), policy]);
    }
  }
  const lines = [...rows].map(([key, policies]) => {
    const [id, literature, verdict, difference] = key.split('|');
    return [id!, policies.join(', '), literature!, verdict!, difference!];
  });
  return table(['Attack', 'Policies', 'Literature', 'Model', 'Why'], lines);
}

function notModelledRows(): string[][] {
  return result.notModelled.map(({ id, name, statement, reason }) => [`${id} ${name}`, statement, reason]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cellsOfRow: readonly string[]): string => `| ${cellsOfRow.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}
