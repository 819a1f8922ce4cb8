/** `dmalab explain TRACE`: the life of an address, or of a fault line of the kernel log. */
import { readFileSync } from 'node:fs';
import { LabError } from 'dmalab-core';
import {
  type ExplainOptions as AskedOptions,
  type ExplainQuestion,
  Explanation,
  HandleSearch,
  reachedOf,
  readHandle,
  readQuestion,
} from 'dmalab-lab';
import { ExitCode } from '../exit-code.ts';
import { EXIT_INTERRUPTED, type Interruption } from '../interruption.ts';
import { openTraceWithProgress } from '../open-trace.ts';
import { dataDetailLines, dataLines } from '../report/data-report.ts';
import { explainAnswer, pageAnswer } from '../report/explain-answer.ts';
import { explainSections, handleOption } from '../report/explain-report.ts';
import { addressText } from '../report/explain-words.ts';
import { reachedText, recordingReport } from '../report/recording-report.ts';
import { shortDevice } from '../report/trace-lines.ts';
import { ProgressBar } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { COLUMNS_MAX, labelled, sectionLines } from '../terminal/wrap.ts';
import { shellWord } from '../usage.ts';

export interface ExplainOptions {
  readonly machine?: string | undefined;
  readonly iova?: string | undefined;
  /** A line of a kernel log, or `-` for a whole log on standard input. */
  readonly fault?: string | undefined;
  readonly mapping?: string | undefined;
  readonly line?: string | undefined;
  readonly device?: string | undefined;
  readonly time?: string | undefined;
  readonly all?: boolean | undefined;
  readonly data?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Explains a page or faults and prints the answer. @returns the exit code */
export async function explain(trace: string, options: ExplainOptions, terminal: Terminal, interruption: Interruption): Promise<number> {
  const bar = new ProgressBar(terminal.progressStream);
  const asked = askedOptions(trace, options);
  const handle = readHandle(asked);
  let question: ExplainQuestion | undefined;
  if (handle !== undefined) {
    const recording = await openTraceWithProgress('search', trace, options.machine, bar, interruption);
    const search = new HandleSearch(recording, handle);
    for await (const batch of interruption.until(recording.batches())) if (!search.push(batch)) break;
    interruption.check();
    question = { pages: [search.question()], log: null };
  }
  const recording = await openTraceWithProgress('explain', trace, options.machine, bar, interruption);
  const explanation = new Explanation(recording, question ?? readQuestion(asked, recording.machine().devices));
  for await (const batch of interruption.until(recording.batches())) explanation.push(batch);
  bar.clear();
  const stoppedAt = interruption.requested ? reachedText(reachedOf(recording)) : undefined;
  const result = explanation.finish();
  const { timeBaseSeconds } = recording.statistics;
  const { data } = recordingReport(recording, explanation.assembly());
  if (options.json === true) {
    const { format, version, pages, ...rest } = result;
    const interrupted = stoppedAt === undefined ? {} : { interrupted: stoppedAt };
    const answer = explainAnswer(result, timeBaseSeconds, COLUMNS_MAX);
    const answered = pages.map((page) => ({ answer: pageAnswer(page, result, timeBaseSeconds), ...page }));
    terminal.printJson({ data, format, version, ...interrupted, answer, ...rest, pages: answered });
  } else {
    const { columns } = terminal;
    const head = dataLines(data, columns);
    if (stoppedAt !== undefined) head.push(...labelled('INTERRUPTED', `at ${stoppedAt}; the answer holds for that part`, columns, 13));
    head.push(...explainAnswer(result, timeBaseSeconds, columns));
    const sections = explainSections(result, { timeBaseSeconds, all: options.all === true, columns });
    const detail = options.data === true ? [dataDetailLines(data, columns)] : [];
    terminal.print(sectionLines([head, ...sections, ...detail, labelled('next', nextText(trace, result.pages, options), columns)]));
  }
  return stoppedAt === undefined ? ExitCode.FINE : EXIT_INTERRUPTED;
}

/** @throws LabError EXP008 when standard input would have to be read twice */
function askedOptions(trace: string, options: ExplainOptions): AskedOptions {
  const { iova, fault, mapping, line, device, time } = options;
  if (trace === '-' && (fault === '-' || mapping !== undefined || line !== undefined)) {
    throw new LabError({
      code: 'EXP008',
      message:
        fault === '-'
          ? 'Trace and log cannot both be standard input.'
          : 'A handle needs the trace twice, which standard input cannot give.',
      expected: 'the trace as a file',
      got: '-',
      next: 'write the trace to a file first',
    });
  }
  if (fault !== '-') return { iova, fault, mapping, line, device, time };
  return { iova, faultLog: readFileSync(0, 'latin1'), mapping, line, device, time };
}

/** Questions that this answer leaves. */
function nextText(trace: string, pages: ReturnType<Explanation['finish']>['pages'], options: ExplainOptions): string {
  const parts: string[] = [];
  const [page] = pages;
  const life = page?.lives[page.chosen];
  if (page !== undefined && pages.length === 1) {
    const other = page.lives.find((_, index) => index !== page.chosen);
    if (other !== undefined && handleOption(other) !== '') parts.push(handleOption(other));
    const neighbour = page.below ?? page.above;
    if (other === undefined && neighbour !== null) parts.push(`--mapping m-${neighbour.number}`);
    const device = options.device === undefined ? (life?.device ?? undefined) : undefined;
    if (device !== undefined && page.page !== null && page.devices.length === 0)
      parts.push(`--iova ${addressText(page.page)} --device ${shortDevice(device)}`);
  }
  parts.push('--json');
  return `dmalab explain ${shellWord(trace)} ${parts.join(' | ')}`;
}
