/** Sentences about limits; they stand in every output of break-even. */
import type { BreakevenComparison, BreakevenResult, Cheaper, ContentionCrossing, SizeLimits } from 'dmalab-lab';
import { bytesText, shareText } from '../terminal/format.ts';
import { wrapped } from '../terminal/wrap.ts';

const ANSWER_INDENT = 8;
const ANSWER_LINES_MAX = 3;

/** The answer of the first comparison, as many of its sentences as three lines hold. */
export function breakevenAnswer(result: BreakevenResult, columns: number): string[] {
  const [comparison] = result.comparisons;
  const sentences = [limitsSentence(comparison!), ...traceSentences(result)];
  for (let kept = sentences.length; kept > 0; kept--) {
    const lines = wrapped(`ANSWER  ${sentences.slice(0, kept).join(' ')}`, columns, ANSWER_INDENT);
    if (lines.length <= ANSWER_LINES_MAX) return lines;
  }
  return wrapped(`ANSWER  ${sentences[0]}`, columns, ANSWER_INDENT).slice(0, ANSWER_LINES_MAX);
}

/** From which size on which of the two is cheaper. */
export function limitsSentence({ first, second, limits, missing }: BreakevenComparison): string {
  if (limits === null)
    return missing.length > 0
      ? `${first} and ${second} are not decided: the profile has no basis for ${missing.join(', ')}.`
      : `${first} and ${second} have no size that both can map.`;
  const { from, to, atFrom, atTo, below, above, crossing } = limits;
  const name = (cheaper: Cheaper): string => (cheaper === 'first' ? first : second);
  if (below === to && atFrom === 'equal') return `${first} and ${second} cost the same at every size, within 1 %.`;
  if (below === to)
    return `${name(atFrom)} is cheaper than ${name(atFrom === 'first' ? 'second' : 'first')} at every size to ${bytesText(to)}.`;
  const middle = crossing === null ? 'no crossing' : `${crossingText(crossing)} at the stated constants`;
  const open = `it depends (${middle})`;
  const low = below === null ? '' : `up to ${bytesText(below)} ${verdict(atFrom, name)}`;
  const high = above === null ? '' : `from ${bytesText(above)} on ${verdict(atTo, name)}`;
  if (low !== '' && high !== '') return `${sentence(low)}, ${high.replace(/ is cheaper$/, '')}; between them ${open}.`;
  if (low !== '') return `${sentence(low)}; beyond ${open}.`;
  if (high !== '') return `${sentence(high)}; below ${open}.`;
  return `Between ${first} and ${second} ${open}, from ${bytesText(from)} to ${bytesText(to)}.`;
}

/** `19.0 KiB`, or from where to where the steps of pages make it go back and forth. */
export function crossingText({ first, last }: NonNullable<SizeLimits['crossing']>): string {
  const [a, b] = [bytesText(first), bytesText(last)];
  if (a === b) return a;
  const unit = / \w+$/.exec(b)![0];
  return `${a.endsWith(unit) ? a.slice(0, -unit.length) : a} to ${b}`;
}

/** The same for several CPUs, at the stated constants. */
export function contentionSentence({ first, second, atFrom, atTo, crossing }: ContentionCrossing, cpus: number): string {
  if (atFrom === null || atTo === null) return `${first} and ${second} cannot be compared on ${cpus} CPUs.`;
  if (crossing === null) return `On ${cpus} CPUs ${atFrom} is cheaper at every row that both can map.`;
  return `On ${cpus} CPUs ${atFrom} is cheaper below ${bytesText(crossing)}, ${atTo} from there on.`;
}

function traceSentences({ trace, buffers, comparisons }: BreakevenResult): string[] {
  if (trace === null) return [];
  if (trace.all.ranges === 0) return ['This trace has no streaming ranges.'];
  const own = trace.byAlignment[buffers.alignment];
  const most = trace.lowerBound ? 'at least ' : '';
  const share = `${most}${shareText(own.ranges, trace.all.ranges)} of this trace's ranges are ${buffers.alignment}`;
  const { sides } = trace;
  const limits = comparisons[0]?.limits ?? null;
  if (sides === null || limits === null || own.ranges === 0) return [`${sentence(share)}.`];
  const parts = [
    limits.below === null ? '' : `${shareText(sides.below.ranges, own.ranges)} to ${bytesText(limits.below)}`,
    limits.above === null || limits.below === limits.to
      ? ''
      : `${shareText(sides.above.ranges, own.ranges)} from ${bytesText(limits.above)}`,
  ].filter((part) => part !== '');
  return [parts.length === 0 ? `${sentence(share)}.` : `${sentence(share)}; of those ${parts.join(' and ')}.`];
}

function verdict(cheaper: Cheaper, name: (cheaper: Cheaper) => string): string {
  return cheaper === 'equal' ? 'both cost the same' : `${name(cheaper)} is cheaper`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
