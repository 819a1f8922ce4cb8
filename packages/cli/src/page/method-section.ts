/** How the figures of the page are known: the check against the recording, every constant, what is modelled, what is missing. */
import { COST_CONSTANT_NAMES, type CostProfile } from 'dmalab-lab';
import { COPY_COLUMNS, constantCells, copyRows } from '../report/profile-report.ts';
import { checkTableColumns, checkTableRows, givenTexts } from '../report/verify-report.ts';
import { counted, countText } from '../terminal/format.ts';
import type { TableColumn, TableRow } from '../terminal/table.ts';
import { dataTable } from './data-table.ts';
import { element, fragment, type Markup } from './markup.ts';
import type { ReportResult, ReportVerify } from './report-result.ts';

const DIFFERENCES_SHOWN = 3;

const CONSTANT_COLUMNS: readonly TableColumn[] = [
  { title: ['constant'], align: 'left', dropOrder: 0 },
  { title: ['low'], align: 'right', dropOrder: 0 },
  { title: ['value'], align: 'right', dropOrder: 0 },
  { title: ['high'], align: 'right', dropOrder: 0 },
  { title: ['unit'], align: 'left', dropOrder: 0 },
  { title: ['grade'], align: 'left', dropOrder: 0 },
  { title: ['source'], align: 'left', dropOrder: 0 },
];

/** Parts of every figure that no recording decides. */
const MODELLED: readonly string[] = [
  'CPU time: counts of the replay times the constants below; nothing was timed while recording.',
  'Flush timers of what-if rows: armed at the first queued unmap, fired at the first tick that Linux allows, on the CPU that armed them.',
  'What a device can reach: every valid translation counts as cached until it is invalidated, whether the device used it or not.',
  'Stale windows inside a call: as long as one invalidation of the profile, since a replayed call takes no time.',
  'The saturate load: CPUs that run a window of the calls without pause; they wait for each other at the invalidation queue, the pool, and the address allocator. Devices take no time.',
];

/** What the model does not have; docs/fidelity.md has the full list with its consequences. */
const GAPS: readonly string[] = [
  'Dynamic and restricted SWIOTLB pools: one fixed pool for all devices.',
  'First-level (scalable mode) tables, PASIDs, device TLBs (ATS), more than one remapping unit.',
  'IOMMUs other than VT-d.',
  'Waiting for locks in the replay load; only the saturate load has it.',
  'Sync calls of devices that did not bounce in the recording left no lines: copies under a bouncing policy are lower bounds (>=).',
  'Memory that is reused without being mapped for a device: reuse under a stale entry is a lower bound.',
  'On recordings of several CPUs, calls are replayed whole, in the order of their first lines.',
];

export function methodSection(result: ReportResult): Markup {
  return element(
    'section',
    { class: 'sheet' },
    element('h2', {}, 'How we know'),
    element('h3', {}, 'The model against this recording'),
    verifyMarkup(result.verify),
    element('h3', {}, `The cost profile ${result.profile.name}`),
    profileMarkup(result.profile),
    element('h3', {}, 'The policies'),
    element(
      'dl',
      {},
      result.compare.rows.map(({ policy, summary, status }) => [
        element('dt', {}, policy),
        element('dd', {}, status === null ? summary : `${summary}; ${status}`),
      ]),
    ),
    element('h3', {}, 'What is modelled'),
    list(MODELLED),
    element('h3', {}, 'Known gaps'),
    list(GAPS),
    element('h3', {}, 'Method'),
    methodMarkup(),
  );
}

function verifyMarkup(verify: ReportVerify | null): Markup {
  if (verify === null)
    return element('p', {}, 'Not checked (--no-verify): dmalab verify compares the model with the recording line by line.');
  const { verdict, result } = verify;
  const differences = result.differences.slice(0, DIFFERENCES_SHOWN).map(({ line, check, expected, got }) => {
    return `L${countText(line)} ${check}: expected ${expected}; got ${got}`;
  });
  const more = result.differences.length - differences.length;
  return fragment(
    element('p', {}, element('strong', {}, verdict.lines.join(' ').replace(/ {2,}/g, ' '))),
    dataTable(
      checkTableColumns,
      checkTableRows(result.checks),
      'Only the calls are taken from the recording; what the kernel did with them is predicted and compared, line by line. "given" was fed in and is not counted as a prediction.',
    ),
    list(givenTexts(result)),
    differences.length === 0
      ? undefined
      : list(more > 0 ? [...differences, `and ${countText(more)} more: dmalab verify --differences`] : differences),
    result.windowCount === 0 ? undefined : element('p', {}, `${counted(result.windowCount, 'window')} needed a choice of order.`),
    result.limits.length === 0 ? undefined : list(result.limits),
  );
}

function profileMarkup(profile: CostProfile): Markup {
  const rows = COST_CONSTANT_NAMES.map((name): TableRow => {
    const constant = profile.constants[name];
    return [...constantCells(profile, name), constant.value === null ? constant.reason : constant.source];
  });
  const { grade, source } = profile.copy;
  return fragment(
    element('p', {}, profile.description),
    list(profile.warnings),
    dataTable(
      CONSTANT_COLUMNS,
      rows,
      'Grades: A peer-reviewed or a careful micro-benchmark, B told on a mailing list with its hardware, C one traced on a shared or unnamed machine, D derived.',
    ),
    dataTable(
      COPY_COLUMNS,
      copyRows(profile),
      `Cost of a copy by its size, between the cache states hot and cold (copyState). ${grade}: ${source}`,
    ),
  );
}

function methodMarkup(): Markup {
  return fragment(
    element(
      'p',
      {},
      'The recorded calls of the DMA API are replayed through a model of the Linux DMA-mapping stack, once per policy. Which of the properties P1 to P6 a policy gives up is told by the checker, within the bound that stands in the table, and not by this trace; what devices could reach is told by the trace, and proves nothing about the policy.',
    ),
    element(
      'p',
      {},
      'Two policies are ranked only by their paired difference: both priced with the same constants, over all constants in their ranges. Where its sign changes the page says ~. Totals whose ranges overlap can still have a clear order.',
    ),
    element(
      'dl',
      {},
      [
        ['P1', 'a device reaches only its own live buffers, its coherent memory, zeroed padding and its own dead slots'],
        ['P2', 'after unmap returns, the device cannot change what the CPU sees'],
        ['P3', 'nothing is given to anybody while a stale translation reaches it'],
        ['P4', 'no byte of an earlier owner of a slot can be read'],
        ['P5', "a driver's data arrives intact"],
        ['P6', 'everything that was allocated is released'],
      ].map(([name, text]) => [element('dt', {}, name!), element('dd', {}, text!)]),
    ),
  );
}

function list(items: readonly string[]): Markup | undefined {
  if (items.length === 0) return undefined;
  return element(
    'ul',
    {},
    items.map((item) => element('li', {}, item)),
  );
}
