/** The sentence that answers `dmalab explain`, made once for text and JSON. */
import { type ExplainedPage, type ExplainResult, type ExplainVerdict, faultReasonText, type MappingLife } from 'dmalab-lab';
import { counted, countText, durationText, mappingHandle } from '../terminal/format.ts';
import { labelled } from '../terminal/wrap.ts';
import { addressText, deviceText, mappingText, momentText, pageDevice, permits, sizeText } from './explain-words.ts';
import { shortDevice } from './trace-lines.ts';

const LABEL_COLUMNS = 8;
const PAGE_BYTES = 4096;
const DEVICES_NAMED = 3;

/** Verdicts in a few words, for the sum over several faults. */
const SHORT: Readonly<Record<ExplainVerdict, string>> = {
  interrupt: 'no DMA but an interrupt',
  'not-a-mapping': 'not about a mapping',
  'unknown-device': 'of a device that is not in the recording',
  untranslated: 'of a device whose addresses are not translated',
  'never-mapped': 'to a page that was never mapped',
  'not-found': 'to a page that is not in the recording',
  'not-mapped-yet': 'before the first mapping',
  'after-unmap': 'after unmap and invalidation',
  stale: 'after unmap, before invalidation',
  'wrong-direction': 'in the wrong direction',
  mapped: 'while the page was mapped',
};

/** The ANSWER lines. */
export function explainAnswer(result: ExplainResult, timeBaseSeconds: number, columns: number): string[] {
  return labelled('ANSWER', answerText(result, timeBaseSeconds), columns, LABEL_COLUMNS);
}

function answerText(result: ExplainResult, timeBaseSeconds: number): string {
  const [first] = result.pages;
  if (first !== undefined && result.pages.length === 1) return pageAnswer(first, result, timeBaseSeconds);
  const counts = new Map<ExplainVerdict, number>();
  for (const { verdict } of result.pages) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([verdict, count]) => `${countText(count)} ${SHORT[verdict]}`);
  const { lines, suppressed, notUnderstood } = result.log ?? { lines: 0, suppressed: 0, notUnderstood: 0 };
  const hidden = suppressed > 0 ? ` The kernel did not print ${counted(suppressed, 'more message')} (rate limit).` : '';
  const odd = notUnderstood > 0 ? ` ${counted(notUnderstood, 'line')} like a fault not understood.` : '';
  if (result.pages.length === 0) return `There is no fault in this log (${counted(lines, 'line')}).${hidden}${odd}`;
  return `${counted(result.pages.length, 'fault')}: ${parts.join(', ')}.${hidden}${odd}`;
}

/** What became of one page or one access. */
export function pageAnswer(page: ExplainedPage, result: ExplainResult, timeBaseSeconds: number): string {
  return page.fault === null ? lifeAnswer(page, result, timeBaseSeconds) : faultAnswer(page, result, timeBaseSeconds);
}

// ---- an access -------------------------------------------------------------------------------------------------

function faultAnswer(page: ExplainedPage, result: ExplainResult, timeBaseSeconds: number): string {
  const who = deviceText(pageDevice(page), page.driver);
  const life = page.lives[page.chosen];
  const access = `${who} ${accessVerb(page)} page ${page.page === null ? '?' : addressText(page.page)}`;
  switch (page.verdict) {
    case 'interrupt':
      return `${who} sent an interrupt that interrupt remapping refused${reasonClause(page)}. This is no DMA: no mapping is involved.`;
    case 'not-a-mapping':
      return `The fault of ${who} is not about the mapping of page ${addressText(page.page!)}${reasonClause(page)}.`;
    case 'unknown-device':
      return `${who} is not in this recording. ${elsewhereText(page)} Behind a PCIe-to-PCI bridge faults carry the bridge's address.`;
    case 'untranslated':
      return `In this recording ${who} uses physical addresses, so no page of it can fault. The line is of another boot, or of another device.`;
    case 'never-mapped':
      return `${access}, which was never mapped for it in this recording (${spanText(result, timeBaseSeconds)}, nothing lost). Nothing was reached.${overrunText(page)}${otherOwner(page)}`;
    case 'not-found':
      return `${access}; no mapping of it is in the recording, which is not complete: ${gapText(result, timeBaseSeconds)}. It may have been mapped.${overrunText(page)}`;
    case 'not-mapped-yet':
      return `${access} ${durationText(life!.mappedNs! - page.timeNs!)} before its first mapping in this recording (${mappingText(life!)}). Nothing was reached, as far as recorded.${overrunText(page)}`;
    case 'after-unmap':
      return `${access} ${sinceUnmap(page, life!)} the driver unmapped it (${mappingText(life!)}). The IOTLB had been invalidated${modelled(life!)}: the IOMMU refused, ${harmless(page)}. Use after unmap in driver or device.`;
    case 'stale':
      return `${access} ${sinceUnmap(page, life!)} the driver unmapped it (${mappingText(life!)}), ${beforeInvalidation(page, life!)}. ${permits(page, life!) === false ? 'This access was refused, as it would have been while mapped.' : 'This access was refused; others in that window may have landed.'} Use after unmap in driver or device.`;
    case 'wrong-direction':
      return `${access}, which is mapped for ${page.fault?.isWrite === true ? 'reading' : 'writing'} only (${mappingText(life!)}). The IOMMU refused, ${harmless(page)}. Wrong direction in driver or device.`;
    case 'mapped':
      return `${access} while it was mapped for that (${mappingText(life!)}, since ${momentText(life!.mappedNs, timeBaseSeconds)} s). The mapping does not explain the fault; what may is listed below.`;
  }
}

function accessVerb({ fault }: ExplainedPage): string {
  if (fault?.isWrite === null || fault === null) return 'accessed';
  return fault.isWrite ? 'wrote to' : 'read from';
}

function harmless({ fault }: ExplainedPage): string {
  if (fault?.isWrite === true) return 'nothing was overwritten';
  return fault?.isWrite === false ? 'nothing was read' : 'nothing was reached';
}

function reasonClause({ fault }: ExplainedPage): string {
  if (fault === null || fault.reason === null) return '';
  return ` (reason 0x${fault.reason.toString(16).padStart(2, '0')}: ${faultReasonText(fault.reason).text})`;
}

function sinceUnmap({ timeNs }: ExplainedPage, { unmappedNs }: MappingLife): string {
  return timeNs === null || unmappedNs === null ? 'after' : `${durationText(timeNs - unmappedNs)} after`;
}

function modelled({ invalidation }: MappingLife): string {
  return invalidation?.basis === 'model' ? ' by then (modelled)' : ' by then';
}

function beforeInvalidation({ timeNs }: ExplainedPage, { invalidation }: MappingLife): string {
  if (invalidation === null) return 'and no invalidation of it was recorded';
  const after = timeNs === null ? '' : `, which came ${durationText(invalidation.timeNs - timeNs)} later`;
  return `before the IOTLB was invalidated${after}${invalidation.basis === 'model' ? ' (modelled)' : ''}`;
}

/** Address spaces use the same addresses, so this is a hint and no proof. */
function otherOwner({ elsewhere }: ExplainedPage): string {
  const owner = elsewhere.find(({ live }) => live !== null);
  if (owner === undefined) return '';
  return ` At that time ${owner.devices.map(shortDevice).join(', ')} had that page (${mappingHandle(owner.live!.number)}): perhaps an address of the wrong device.`;
}

/** A page directly behind a live mapping is where an access past its end lands. */
function overrunText({ page, below }: ExplainedPage): string {
  if (page === null || below === null) return '';
  const end = below.dmaAddr + below.bytes;
  if (Math.ceil(end / PAGE_BYTES) * PAGE_BYTES !== page) return '';
  return ` It lies directly behind ${mappingHandle(below.number)} (${sizeText(below.bytes)} at ${addressText(below.dmaAddr)}): an access past its end looks like this.`;
}

function elsewhereText({ page, elsewhere }: ExplainedPage): string {
  if (page === null || elsewhere.length === 0) return page === null ? '' : `No device mapped page ${addressText(page)}.`;
  const devices = elsewhere.flatMap(({ devices: names }) => names.map(shortDevice));
  const named = devices.slice(0, DEVICES_NAMED).join(', ');
  const more = devices.length > DEVICES_NAMED ? ` and ${devices.length - DEVICES_NAMED} more` : '';
  return `Page ${addressText(page)} was mapped for ${named}${more}.`;
}

// ---- a page ----------------------------------------------------------------------------------------------------

function lifeAnswer(page: ExplainedPage, result: ExplainResult, timeBaseSeconds: number): string {
  const address = addressText(page.page!);
  if (page.named) return mappingAnswer(page, timeBaseSeconds);
  const whose = page.devices.length > 0 ? ` for ${deviceText(pageDevice(page), page.driver)}` : '';
  const life = page.lives[page.chosen];
  if (page.verdict === 'never-mapped')
    return `Page ${address} was never mapped${whose} in this recording (${spanText(result, timeBaseSeconds)}, nothing lost).${otherSpaces(page)}`;
  if (page.verdict === 'not-found' || life === undefined)
    return `No mapping of page ${address}${whose} is in the recording, which is not complete: ${gapText(result, timeBaseSeconds)}.${otherSpaces(page)}`;
  const times = page.lives.length === 1 ? 'once' : `${countText(page.lives.length)} times`;
  const count = `Page ${address} was mapped ${times}${whose || ownersText(page)}.`;
  return `${count} ${stateText(page, life, timeBaseSeconds)}`;
}

/** One mapping, asked for by its handle or one of its lines. */
function mappingAnswer(page: ExplainedPage, timeBaseSeconds: number): string {
  const life = page.lives[page.chosen]!;
  const { mappedNs, unmappedNs } = life;
  const what = mappingText(life);
  const live = mappedNs === null || unmappedNs === null ? '' : ` (${durationText(unmappedNs - mappedNs)})`;
  const end = unmappedNs === null && !life.endNotRecorded ? 'still mapped when the trace ends' : invalidatedText(life);
  const one = page.lives.length === 1 ? 'The page was mapped only once' : `One of ${countText(page.lives.length)} mappings of the page`;
  return `Page ${addressText(page.page!)} of ${deviceText(pageDevice(page), page.driver)}: ${what}${fromTo(life, timeBaseSeconds)}${live}; ${end}. ${one}.`;
}

/** ` for 02:00.0 (12 times) and 03:00.0 (twice)`: who had a page, when nobody in particular was asked about. */
function ownersText({ lives, driver }: ExplainedPage): string {
  const counts = new Map<string, number>();
  for (const { device } of lives) {
    const name = device === null ? 'a device that no line names' : shortDevice(device);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 1) return ` for ${deviceText(lives[0]!.device, driver)}`;
  const most = [...counts].sort(([, a], [, b]) => b - a);
  const parts = most.slice(0, DEVICES_NAMED).map(([name, count]) => `${countText(count)} for ${name}`);
  const more = counts.size > DEVICES_NAMED ? `, ${counts.size - DEVICES_NAMED} more devices` : '';
  return `: ${parts.join(', ')}${more}`;
}

function stateText(page: ExplainedPage, life: MappingLife, timeBaseSeconds: number): string {
  const at = page.timeNs === null ? '' : ` at ${momentText(page.timeNs, timeBaseSeconds)} s`;
  const what = mappingText(life);
  switch (page.verdict) {
    case 'not-mapped-yet':
      return `Not yet${at}: first as ${what}, ${durationText(life.mappedNs! - page.timeNs!)} later.`;
    case 'mapped':
      return page.timeNs === null
        ? `Last as ${what}, and still mapped when the trace ends.`
        : `Mapped${at} as ${what}${fromTo(life, timeBaseSeconds)}.`;
    default: {
      const gone = page.timeNs === null ? 'unmapped' : `unmapped ${durationText(page.timeNs - life.unmappedNs!)} before`;
      const when = page.timeNs === null || at === '' ? 'Last' : `Not mapped${at}: last`;
      return `${when} as ${what}${fromTo(life, timeBaseSeconds)}${page.timeNs === null ? '' : `, ${gone}`}; ${invalidatedText(life)}.`;
    }
  }
}

function fromTo({ mappedNs, unmappedNs }: MappingLife, timeBaseSeconds: number): string {
  if (mappedNs === null) return unmappedNs === null ? '' : `, until ${momentText(unmappedNs, timeBaseSeconds)} s`;
  if (unmappedNs === null) return `, from ${momentText(mappedNs, timeBaseSeconds)} s`;
  return `, ${momentText(mappedNs, timeBaseSeconds)}-${momentText(unmappedNs, timeBaseSeconds)} s`;
}

function invalidatedText({ invalidation, unmappedNs, endNotRecorded, reuses }: MappingLife): string {
  if (endNotRecorded) return 'its unmap was not recorded';
  if (invalidation === null) return 'no invalidation was recorded';
  const after = durationText(invalidation.timeNs - unmappedNs!);
  const stale = reuses.length > 0 ? `; its memory was mapped again ${counted(reuses.length, 'time')} before that` : '';
  return invalidation.how === 'unmap'
    ? 'invalidated inside the unmap (modelled)'
    : `invalidated ${after} after the unmap${invalidation.basis === 'model' ? ' (modelled)' : ''}${stale}`;
}

function otherSpaces({ elsewhere }: ExplainedPage): string {
  if (elsewhere.length === 0) return '';
  const names = elsewhere.flatMap(({ devices }) => devices.map(shortDevice));
  const more = names.length > DEVICES_NAMED ? ` and ${names.length - DEVICES_NAMED} more` : '';
  return ` It was for ${names.slice(0, DEVICES_NAMED).join(', ')}${more}.`;
}

// ---- what the recording covers ---------------------------------------------------------------------------------

function spanText({ gaps }: ExplainResult, timeBaseSeconds: number): string {
  return `${momentText(gaps.firstTimeNs, timeBaseSeconds)}-${momentText(gaps.lastTimeNs, timeBaseSeconds)} s`;
}

/** Why "not found" is not "never mapped". */
export function gapText({ gaps }: ExplainResult, timeBaseSeconds: number): string {
  const parts: string[] = [];
  if (gaps.firstLossNs !== null) {
    const lost = gaps.lost > 0 ? counted(gaps.lost, 'event') : 'events';
    parts.push(`${lost} lost, first at ${momentText(gaps.firstLossNs, timeBaseSeconds)} s`);
  }
  if (gaps.unknownMappings > 0) parts.push(`${counted(gaps.unknownMappings, 'unmap')} of mappings made before it began`);
  return parts.join(', ');
}
