/** Holds the results in docs/breakeven.md to what the program prints. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { dmalab, styleFault } from './dmalab.ts';

const page = readFileSync(new URL('../docs/breakeven.md', import.meta.url), 'utf8');

it.each([[[]], [['strict', 'bounce-deferred']]])('docs/breakeven.md has the limits of every profile: %j', (policies) => {
  const { code, out } = dmalab(['breakeven', ...policies, '--all-profiles']);
  expect(code).toBe(0);
  expect(styleFault(out)).toBeUndefined();
  expect(page).toContain(`\`\`\`text\n${out.trimEnd()}\n\`\`\``);
});
