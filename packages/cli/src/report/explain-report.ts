/** `dmalab explain` as text: what surrounds the answer. */
import type { Elsewhere, ExplainedPage, ExplainResult, FaultLine, MappingLife, Neighbour } from 'dmalab-lab';
import { asciiText, clipped } from '../terminal/ascii.ts';
import { counted, countText, durationText, lineHandle, mappingHandle, NOT_APPLICABLE, UNKNOWN } from '../terminal/format.ts';
import { type TableColumn, tableLines } from '../terminal/table.ts';
import { labelled, wrapped } from '../terminal/wrap.ts';
import { gapText, pageAnswer } from './explain-answer.ts';
import { addressText, mappingText, momentText, permits, sizeText } from './explain-words.ts';
import { lifeTableLines } from './life-rows.ts';
import { shortDevice } from './trace-lines.ts';

const LABEL_COLUMNS = 17;
const LIVES_SHOWN = 10;
const FAULTS_SHOWN = 10;
const PAGE_BYTES = 4096;

/** What a report needs beside the result. */
export interface ExplainReportContext {
  readonly timeBaseSeconds: number;
  /** Nothing is cut. */
  readonly all: boolean;
  readonly columns: number;
}

/** Sections below the answer. */
export function explainSections(result: ExplainResult, context: ExplainReportContext): string[][] {
  const [only] = result.pages;
  if (only === undefined || result.pages.length > 1) return faultParagraphs(result, context);
  return [
    lifeTableLines(only, context.timeBaseSeconds, result.gaps.lastTimeNs, context.columns),
    otherLivesLines(only, context),
    noteLines(only, result, context),
  ];
}

// ---- several faults --------------------------------------------------------------------------------------------

function faultParagraphs(result: ExplainResult, context: ExplainReportContext): string[][] {
  const shown = context.all ? result.pages : result.pages.slice(0, FAULTS_SHOWN);
  const paragraphs = shown.map((page, index) => faultParagraph(page, index + 1, result, context));
  const hidden = result.pages.length - shown.length;
  if (hidden > 0) paragraphs.push([`(${countText(hidden)} more: --all)`]);
  const faults = result.pages.map(({ fault }) => fault);
  const clock = faults.length === 0 ? [] : labelled('clock', clockText(faults), context.columns);
  return [...paragraphs, [...clock, ...missingLines(result, context)]];
}

function faultParagraph(page: ExplainedPage, number: number, result: ExplainResult, context: ExplainReportContext): string[] {
  const { columns, timeBaseSeconds } = context;
  const life = page.lives[page.chosen];
  const lines = [clipped(`${`${number}`.padEnd(7)}${asciiText(page.fault?.text ?? '')}`, columns)];
  lines.push(...labelled('', pageAnswer(page, result, timeBaseSeconds), columns));
  if (life !== undefined) lines.push(...labelled('', `${placesText(life)}; dmalab explain ... ${handleOption(life)}`, columns));
  return lines;
}

function placesText({ mapLine, unmapLine, invalidation }: MappingLife): string {
  const places: string[] = [];
  if (mapLine !== null) places.push(`mapped ${lineHandle(mapLine)}`);
  if (unmapLine !== null) places.push(`unmapped ${lineHandle(unmapLine)}`);
  if (invalidation !== null && invalidation.line !== null) places.push(`invalidated ${lineHandle(invalidation.line)}`);
  return places.join(', ');
}

/** How a life is asked for again. */
export function handleOption({ number, unmapLine, mapLine }: MappingLife): string {
  const line = mapLine ?? unmapLine;
  if (number > 0) return `--mapping ${mappingHandle(number)}`;
  return line === null ? '' : `--line ${lineHandle(line)}`;
}

// ---- other lives of the page -----------------------------------------------------------------------------------

const LIFE_COLUMNS: readonly TableColumn[] = [
  { title: ['mapping'], align: 'left', dropOrder: 0 },
  { title: ['device'], align: 'left', dropOrder: 0 },
  { title: ['mapped, s'], align: 'right', dropOrder: 0 },
  { title: ['live for'], align: 'right', dropOrder: 2 },
  { title: ['direction'], align: 'left', dropOrder: 4 },
  { title: ['bytes'], align: 'right', dropOrder: 3 },
  { title: ['invalidated'], align: 'right', dropOrder: 1 },
  { title: ['where'], align: 'left', dropOrder: 5 },
];

/** The lives around the chosen one, one row each. */
function otherLivesLines(page: ExplainedPage, { timeBaseSeconds, all, columns }: ExplainReportContext): string[] {
  const { lives, chosen } = page;
  if (lives.length < 2) return [];
  const from = all ? 0 : Math.max(0, Math.min((chosen < 0 ? 0 : chosen) - (LIVES_SHOWN >> 1), lives.length - LIVES_SHOWN));
  const shown = all ? lives : lives.slice(from, from + LIVES_SHOWN);
  const rows = shown.map((life, index) => lifeCells(life, from + index === chosen, timeBaseSeconds));
  const hidden = lives.length - shown.length;
  const place = hidden === 0 ? '' : ` ${countText(from + 1)} to ${countText(from + shown.length)} of ${countText(lives.length)}`;
  return [
    `mappings of page ${addressText(page.page ?? 0)}${place}; > is the one above; invalidated: time after unmap`,
    ...tableLines(LIFE_COLUMNS, rows, columns),
    ...(hidden === 0 ? [] : [`(${countText(hidden)} more: --all)`]),
  ];
}

function lifeCells(life: MappingLife, isChosen: boolean, timeBaseSeconds: number): string[] {
  const { mappedNs, unmappedNs, invalidation, bytes } = life;
  const after = invalidation === null || unmappedNs === null ? null : durationText(invalidation.timeNs - unmappedNs);
  return [
    `${isChosen ? '> ' : '  '}${mappingHandle(life.number)}`,
    life.device === null ? UNKNOWN : shortDevice(life.device),
    mappedNs === null ? UNKNOWN : momentText(mappedNs, timeBaseSeconds),
    mappedNs === null || unmappedNs === null ? (life.endNotRecorded ? UNKNOWN : NOT_APPLICABLE) : durationText(unmappedNs - mappedNs),
    life.kind === 'coherent' ? 'coherent' : (life.direction ?? UNKNOWN),
    bytes === null ? UNKNOWN : countText(bytes),
    after === null ? NOT_APPLICABLE : `${after}${invalidation?.basis === 'model' ? 'm' : ''}`,
    life.mapLine === null ? NOT_APPLICABLE : lineHandle(life.mapLine),
  ];
}

// ---- notes -----------------------------------------------------------------------------------------------------

function noteLines(page: ExplainedPage, result: ExplainResult, context: ExplainReportContext): string[] {
  const { columns, timeBaseSeconds } = context;
  const note = (label: string, parts: readonly string[]): string[] =>
    parts.length === 0 ? [] : labelled(label, parts.join('; '), columns, LABEL_COLUMNS);
  const life = page.lives[page.chosen];
  const lines: string[] = [];
  if (page.fault !== null) {
    lines.push(...note('not the cause', life === undefined ? [] : notTheCause(page, life)));
    if (page.verdict === 'mapped') lines.push(...note('may be', otherCauses(page, life!, timeBaseSeconds)));
    if (life !== undefined && permits(page, life) === false && page.verdict !== 'wrong-direction')
      lines.push(...note('also', [`not for this access even while mapped (${life.direction})`]));
    lines.push(...note('in lazy mode', lazyText(page, life, timeBaseSeconds)));
  }
  if (life?.translated === false)
    lines.push(
      ...note('translation', [`${shortDevice(life.device ?? '')} uses physical addresses: no unmap and no IOMMU keeps it from memory`]),
    );
  lines.push(...note('other spaces', elsewhereTexts(page)));
  lines.push(...note('nearby', nearbyTexts(page)));
  if (page.fault !== null) lines.push(...note('clock', [clockText([page.fault])]));
  lines.push(...missingLines(result, context));
  return lines;
}

/** What such a fault is often blamed on, and what the trace says against it. */
function notTheCause(page: ExplainedPage, life: MappingLife): string[] {
  if (page.verdict !== 'after-unmap' && page.verdict !== 'stale') return [];
  const parts: string[] = [];
  const unmap = life.events.find(({ kind }) => kind === 'tableUnmapped');
  if (life.reuses.length === 0) parts.push('its memory was not mapped again before the invalidation');
  if (unmap !== undefined && unmap.unmappedBytes === undefined && unmap.bytes !== undefined)
    parts.push(`whole range unmapped (${sizeText(unmap.bytes)})`);
  if (page.fault?.isWrite !== null && permits(page, life) === true)
    parts.push(`permission (was ${page.fault?.isWrite === true ? 'writable' : 'readable'})`);
  if (!page.elsewhere.some(({ live }) => live !== null)) parts.push('no other device had the page mapped');
  return parts;
}

/** A fault on a page that was mapped: what else prints the same line. */
function otherCauses(page: ExplainedPage, life: MappingLife, timeBaseSeconds: number): string[] {
  const parts: string[] = [];
  const before = page.lives[page.chosen - 1];
  if (page.timeNs === null) {
    parts.push('the line has no time: --time or another of the mappings below');
  } else if (life.mappedNs !== null) {
    const gap =
      before === undefined || before.unmappedNs === null
        ? ''
        : `, when the page had been unmapped since ${momentText(before.unmappedNs, timeBaseSeconds)} s`;
    parts.push(
      `the line is printed after the fault: it may fall before the mapping, made ${durationText(page.timeNs - life.mappedNs)} earlier${gap}`,
    );
  }
  if (page.fault?.isWrite === false && life.direction === 'FROM_DEVICE')
    parts.push('not the direction: this kernel makes FROM_DEVICE entries readable');
  if (page.fault?.pasid !== null) parts.push('the access carried a PASID: another address space than the one recorded here');
  parts.push('a device that uses the address of another (alias, bridge)', 'clocks that do not agree: --time corrects');
  return parts;
}

/** What the other mode of invalidation would have meant for this access. */
function lazyText(
  { verdict, timeNs, fault, writeOnlyReadable }: ExplainedPage,
  life: MappingLife | undefined,
  timeBaseSeconds: number,
): string[] {
  if (
    verdict !== 'after-unmap' ||
    life === undefined ||
    life.lazy ||
    life.lazyDueNs === null ||
    timeNs === null ||
    timeNs >= life.lazyDueNs ||
    permits({ fault, writeOnlyReadable }, life) === false
  )
    return [];
  return [
    `the ${fault?.isWrite === true ? 'write' : 'access'} could have landed: the flush was due at ${momentText(life.lazyDueNs, timeBaseSeconds)} s (modelled)`,
  ];
}

function elsewhereTexts({ elsewhere }: ExplainedPage): string[] {
  if (elsewhere.length === 0) return [];
  const live = elsewhere
    .filter((other) => other.live !== null)
    .map((other) => `${deviceList(other)} had it then as ${mappingText(other.live!)}`);
  const gone = elsewhere.filter((other) => other.live === null).map((other) => `${deviceList(other)} ${countText(other.lives)}`);
  const past = gone.length === 0 ? [] : [`at other times, mappings: ${gone.join(', ')}`];
  return [...live, ...past, 'each space has its own addresses'];
}

function deviceList({ devices }: Elsewhere): string {
  return devices.length === 0 ? 'a device that no line names' : devices.map(shortDevice).join(', ');
}

function nearbyTexts({ page, below, above }: ExplainedPage): string[] {
  if (page === null || (below === null && above === null)) return [];
  return [neighbourText(below, page, 'below'), neighbourText(above, page, 'above')];
}

function neighbourText(neighbour: Neighbour | null, page: number, where: 'below' | 'above'): string {
  if (neighbour === null) return `nothing mapped ${where}`;
  const { number, dmaAddr, bytes } = neighbour;
  const end = Math.ceil((dmaAddr + bytes) / PAGE_BYTES) * PAGE_BYTES;
  const distance = where === 'below' ? page - end : Math.floor(dmaAddr / PAGE_BYTES) * PAGE_BYTES - page - PAGE_BYTES;
  const apart = distance === 0 ? `directly ${where}` : `${sizeText(distance)} ${where}`;
  return `${mappingHandle(number)} ${apart} (${sizeText(bytes)} at ${addressText(dmaAddr)})`;
}

/** The rule that puts a log line into the trace. */
function clockText(faults: readonly (FaultLine | null)[]): string {
  const timed = faults.filter((fault) => fault !== null && fault.seconds !== null).length;
  const rule =
    'log and trace assumed to count from boot alike; a line is printed after its fault, so the last mapping that began before it counts; --time corrects';
  if (timed === faults.length) return rule;
  const none = faults.length === 1 ? 'the line has no boot time' : `${counted(faults.length - timed, 'line')} without a boot time`;
  return `${none}: the last mapping of the page is taken; --time picks another${timed === 0 ? '' : `. Others: ${rule}`}`;
}

/** What the recording cannot show. */
function missingLines(result: ExplainResult, { columns, timeBaseSeconds }: ExplainReportContext): string[] {
  const { gaps } = result;
  const parts: string[] = [];
  if (gaps.outcomesOnly)
    parts.push('no dma:* events: who asked, exact bytes, directions and syncs are not known, and most lines name no device');
  if (gaps.noDescriptors) parts.push('no qi_submit events: moments of invalidations are modelled');
  const incomplete = gapText(result, timeBaseSeconds);
  if (incomplete !== '') parts.push(incomplete);
  return parts.length === 0 ? [] : wrapped(`${'not recorded'.padEnd(LABEL_COLUMNS)}${parts.join('; ')}`, columns, LABEL_COLUMNS);
}
