/** Holds the documentation to the code: what it links, names and lists exists, and what the code has is listed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COST_PARTS, COST_UNITS } from 'dmalab-lab';
import { EVENT_FORMS } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FORMATS = join(ROOT, 'docs/formats.md');

/** The pages a reader sees: those at the top, and all below docs. */
const pages = [...filesBelow(ROOT, '.md', false), ...filesBelow(join(ROOT, 'docs'), '.md', true)];
/** Sources without their tests. */
const sources = readdirSync(join(ROOT, 'packages'))
  .flatMap((name) => filesBelow(join(ROOT, 'packages', name, 'src'), '.ts', true))
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => readFileSync(path, 'utf8'));
const formats = readFileSync(FORMATS, 'utf8');

describe.each(pages.map((path) => [relative(ROOT, path), readFileSync(path, 'utf8')] as const))('%s', (page, text) => {
  it('has links that lead somewhere', () => {
    const broken = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => !leadsSomewhere(link, page));
    expect(broken).toEqual([]);
  });

  it('names files and folders that exist', () => {
    const paths = [...text.matchAll(/(?<![\w/.-])(?:packages|bench|e2e|docs)\/[\w./-]*\w/g)].map((match) => match[0]);
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('names functions of ours that exist', () => {
    const names = [...text.matchAll(/`([a-z]+[A-Z]\w*)\(\)`/g)].map((match) => match[1]!);
    expect(names.filter((name) => !sources.some((source) => new RegExp(`\\b${name}\\b`).test(source)))).toEqual([]);
  });
});

describe('docs/formats.md', () => {
  it('lists every error code, and no other', () => {
    const thrown = sources.flatMap((source) => [...source.matchAll(/['`]([A-Z]{3}\d{3})\b/g)].map((match) => match[1]!));
    const listed = [...formats.matchAll(/^\| `([A-Z]{3}\d{3})` \|/gm)].map((match) => match[1]!);
    expect(thrown.length).toBeGreaterThan(20);
    expect(listed.toSorted()).toEqual([...new Set(thrown)].toSorted());
  });

  it('lists every event with its values and lists', () => {
    const missing = EVENT_FORMS.filter(({ system, name, values, lists }) => {
      const row = `| \`${system}:${name}\` | ${words(values)} | ${words(lists)} |`;
      return !formats.includes(row);
    });
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it.each([
    ['packages/trace/src/machine-description.ts', 'Machine description', 'Cost profile'],
    ['packages/lab/src/cost/cost-profile.ts', 'Cost profile', 'JSON of verify'],
    ['packages/lab/src/verify/verify-result.ts', 'JSON of verify', 'JSON of compare'],
    // What the two objects have in common is described once.
    ['packages/lab/src/compare/compare-result.ts', 'JSON of verify', 'JSON of explain'],
    ['packages/lab/src/explain/explain-result.ts', 'JSON of verify', 'JSON of attack'],
    ['packages/lab/src/attack/attack-result.ts', 'JSON of attack', 'Fault lines'],
    ['packages/lab/src/attack/gain.ts', 'JSON of attack', 'Fault lines'],
    ['packages/lab/src/attack/story.ts', 'JSON of attack', 'Fault lines'],
    ['packages/lab/src/breakeven/breakeven-result.ts', 'JSON of verify', 'Error codes'],
    ['packages/lab/src/breakeven/size-limits.ts', 'JSON of breakeven', 'Error codes'],
  ])('names every field of %s', (path, section, nextSection) => {
    const source = readFileSync(join(ROOT, path), 'utf8');
    const fields = [...source.matchAll(/(?:\breadonly |^ {2})(\w+)\??: (?=[^'\n]*;)/gm)].map((match) => match[1]!);
    const text = formats.slice(formats.indexOf(`\n## ${section}\n`), formats.indexOf(`\n## ${nextSection}\n`));
    expect(fields.length).toBeGreaterThan(4);
    expect([...new Set(fields)].filter((field) => !OWN_FIELDS.has(field) && !namesField(text, field))).toEqual([]);
  });
});

describe('docs/cost.md', () => {
  it('lists every constant with its unit, and every part of the split', () => {
    const text = readFileSync(join(ROOT, 'docs/cost.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` \| (ns\/\w+|ratio|entries|ways) \|/gm)].map(([, name, unit]) => [name, unit]);
    expect(Object.fromEntries(rows)).toEqual(COST_UNITS);
    expect(COST_PARTS.filter((part) => !text.includes(`| \`${part}\` |`))).toEqual([]);
  });
});

/** Fields of the parsed machine description that are no fields of the file. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['file', 'unknownFields', 'contradictions']);

/** The field in code marks, alone or at the end of a path such as `devices[].driver`, or inside braces. */
function namesField(text: string, field: string): boolean {
  return new RegExp(`\`(?:[\\w[\\]]+\\.)?${field}\`|\\{[^}]*\\b${field}\\b[^}]*\\}`).test(text);
}

function words(names: readonly string[]): string {
  return names.length === 0 ? '-' : names.map((name) => `\`${name}\``).join(', ');
}

function leadsSomewhere(link: string, page: string): boolean {
  const [path, anchor] = link.split('#');
  const target = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path!);
  if (!existsSync(target)) return false;
  return anchor === undefined || anchorsOf(readFileSync(target, 'utf8')).has(anchor);
}

/** Anchors as forges make them of headings: lower case, blanks to dashes, other signs dropped. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!);
  const anchors = headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
  return new Set(anchors);
}

/** Without fenced blocks, in which brackets and signs mean nothing. */
function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '');
}

function filesBelow(folder: string, ending: string, recursive: boolean): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
