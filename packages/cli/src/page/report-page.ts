/** The page: one file that needs nothing else, to attach to a mail or a bug. */
import { type CompareDevice, type CompareGroups, type CompareResult, compareGroups } from 'dmalab-lab';
import { dataDetails } from '../report/data-report.ts';
import { POLICY_COLUMNS, policyLegend, policyTableRows } from '../report/policy-table.ts';
import { saturateNote } from '../report/saturate-table.ts';
import { shortDevice } from '../report/trace-lines.ts';
import { counted, countText, secondsText } from '../terminal/format.ts';
import { breakevenPlot } from './breakeven-plot.ts';
import { costExposurePlot } from './cost-exposure-plot.ts';
import { costSplitPlot } from './cost-split-plot.ts';
import { counterexamplePlot } from './counterexample-plot.ts';
import { dataTable } from './data-table.ts';
import { embeddedResult } from './embedded-result.ts';
import { exposureTimePlot } from './exposure-over-time.ts';
import { findingsSection } from './findings-section.ts';
import { element, fragment, type Markup, pageText, styleElement } from './markup.ts';
import { methodSection } from './method-section.ts';
import { poolPlot } from './pool-over-time.ts';
import type { ReportResult } from './report-result.ts';
import { STYLE_SHEET } from './style-sheet.ts';
import { throughputPlot } from './throughput-plot.ts';

const NS_PER_SECOND = 1e9;

export interface ReportPageOptions {
  /** Times of a recording made on an emulator are shown although they mean little. */
  readonly emulatorTime: boolean;
}

/** The whole page as text; the same result gives the same bytes. */
export function reportPage(result: ReportResult, options: ReportPageOptions): string {
  const { compare } = result;
  const groups = compareGroups(compare);
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('meta', { name: 'generator', content: `dmalab ${result.dmalab}` }),
    element('title', {}, titleOf(result)),
    styleElement(STYLE_SHEET),
  );
  const body = element(
    'body',
    {},
    element(
      'main',
      {},
      headSection(result),
      answerSection(result),
      lostSection(result),
      policySection(result, groups, options),
      plotSections(result, groups, options),
      findingsSection(compare),
      counterexampleSection(result),
      methodSection(result),
    ),
    footer(result),
    embeddedResult(result),
  );
  return pageText(head, body);
}

function titleOf({ source }: ReportResult): string {
  return `DMA protection: ${source.file.replace(/^.*\//, '')}`;
}

function headSection(result: ReportResult): Markup {
  const { compare, source, data } = result;
  const { recording } = compare;
  const kernel = recording.kernelRelease ?? `release not recorded (${recording.kernelRules} rules)`;
  const machine = [
    source.recordedOn,
    source.architecture,
    counted(recording.cpus, 'CPU'),
    `HZ ${recording.hz}`,
    recording.machine === null ? 'no machine description' : `described by ${recording.machine.replace(/^.*\//, '')}`,
  ].flatMap((part) => part ?? []);
  const rows: readonly (readonly [string, Markup | string])[] = [
    ['data', data.lines.map((line) => line.replace(/^DATA\s+/, '').trim()).join(' ')],
    ['recorded', `${secondsText(recording.durationNs / NS_PER_SECOND)} of trace; the date is not part of it`],
    ['kernel', source.kernelVersion === null ? kernel : `${kernel}, ${source.kernelVersion}`],
    ['machine', machine.join(', ')],
    ['devices', devicesText(compare.devices)],
    ['dmalab', `${result.dmalab}, cost profile ${result.profile.name}`],
    ['repeat', element('code', {}, result.command)],
    ['trace', fragment(`${source.file}, ${countText(source.bytes)} bytes, SHA-256 `, element('code', {}, source.sha256))],
  ];
  return element(
    'header',
    {},
    element('h1', {}, titleOf(result)),
    element(
      'dl',
      {},
      rows.map(([name, text]) => [element('dt', {}, name), element('dd', {}, text)]),
    ),
  );
}

function devicesText(devices: readonly CompareDevice[]): string {
  return devices
    .map(({ name, driver, untrusted, chosen, mapCalls, unmapCalls }) => {
      const words = [untrusted ? 'untrusted' : '', chosen ? '' : 'keeps its recorded mode'].filter((word) => word !== '').join(', ');
      const marks = words === '' ? '' : ` (${words})`;
      return `${shortDevice(name)}${driver === null ? '' : ` ${driver}`}${marks} ${countText(mapCalls + unmapCalls)} calls`;
    })
    .join('; ');
}

function answerSection({ answer, findings }: ReportResult): Markup {
  return element(
    'section',
    {},
    element('h2', {}, 'Answer'),
    element('div', { class: 'answer' }, element('p', {}, answer.join(' ')), paragraphs(findings)),
  );
}

function lostSection({ data }: ReportResult): Markup {
  const details = dataDetails(data);
  const counts = `${counted(data.events, 'event')}, ${countText(data.lost)} lost, ${countText(data.notUnderstood)} not understood, ${counted(data.inferred.length, 'value')} inferred.`;
  return element(
    'section',
    {},
    element('h2', {}, 'What was lost or inferred'),
    element('p', {}, counts),
    details.length === 0
      ? undefined
      : element(
          'ul',
          {},
          details.map(({ label, text }) => element('li', {}, element('strong', {}, label), ` ${text}`)),
        ),
  );
}

function policySection({ compare }: ReportResult, groups: CompareGroups, { emulatorTime }: ReportPageOptions): Markup {
  const rows = policyTableRows(compare, groups, { sort: 'cost', emulatorTime });
  const legend = policyLegend(compare, rows).map((line) => line.replace(/ {2,}/g, ' '));
  return element(
    'section',
    {},
    element('h2', {}, 'Policies'),
    dataTable(POLICY_COLUMNS, rows, 'A pair is a map call with the unmap that ends it.'),
    element(
      'ul',
      { class: 'note' },
      legend.map((line) => element('li', {}, line)),
    ),
  );
}

function plotSections(result: ReportResult, groups: CompareGroups, { emulatorTime }: ReportPageOptions): Markup {
  const { compare, breakeven } = result;
  return fragment(
    plotSection('Where the time goes', costSplitPlot(compare, groups), 'plot second'),
    plotSection('Cost against exposure', costExposurePlot(compare, groups, emulatorTime)),
    plotSection('With more CPUs', throughputPlot(compare) ?? element('p', {}, noSaturateText(compare))),
    result.exposureOverTime.length === 0
      ? undefined
      : plotSection('Exposure over time', exposureTimePlot(result.exposureOverTime, compare)),
    plotSection('Break-even over the size of a buffer', breakevenPlot(breakeven)),
    plotSection(
      'Bounce pool over time',
      poolPlot(result.poolOverTime, compare) ?? element('p', {}, 'No policy of this comparison took a bounce slot.'),
    ),
  );
}

function counterexampleSection({ counterexamples }: ReportResult): Markup | undefined {
  if (counterexamples.length === 0) return undefined;
  return element(
    'section',
    { class: 'plot' },
    element('h2', {}, 'A slot that is given away too early'),
    counterexamples.map(counterexamplePlot),
  );
}

function noSaturateText({ saturation }: CompareResult): string {
  return saturation === null ? 'The saturate load did not run.' : saturateNote(saturation);
}

function plotSection(title: string, plot: Markup | undefined, style = 'plot'): Markup | undefined {
  return plot === undefined ? undefined : element('section', { class: style }, element('h2', {}, title), plot);
}

function footer(result: ReportResult): Markup {
  return element(
    'footer',
    { class: 'note' },
    element('p', {}, `Made by dmalab ${result.dmalab}. This page carries its result as JSON: dmalab report PAGE --json prints it.`),
    element(
      'p',
      {},
      'Not scrubbed: device addresses, driver and file names, trace line numbers and page addresses stand here as they were recorded. Task names and buffer contents do not, except where the check against the recording quotes a line.',
    ),
  );
}

function paragraphs(sentences: readonly string[]): Markup[] {
  return sentences.map((sentence) => element('p', {}, sentence));
}
