/** A counterexample of the checker as a sequence diagram: who does what, in which order, and whose data lies there then. */
import type { Counterexample } from 'dmalab-lab';
import { element, fragment, type Markup } from './markup.ts';
import { label, line, plotFigure } from './plot-frame.ts';

const FIRST_LANE = 70;
const LANES_END = 300;
const TEXT_LEFT = 318;
const STATE_LEFT = 560;
const TOP = 40;
const STEP_HEIGHT = 18;
/** What stands in the lane that all steps point to. */
const PLACE = 'memory';

/** Steps from top to bottom, an arrow each from who acts to the slot or memory in question. */
export function counterexamplePlot(example: Counterexample): Markup {
  const { steps, policy, property, what, harm, machine, kernel } = example;
  const actors = [...new Set(steps.map(({ who }) => who)), PLACE];
  const gap = (LANES_END - FIRST_LANE) / Math.max(1, actors.length - 1);
  const laneOf = (who: string): number => FIRST_LANE + actors.indexOf(who) * gap;
  const bottom = TOP + steps.length * STEP_HEIGHT + 6;
  const lanes = actors.map((who) => [
    label(laneOf(who), TOP - 18, who, 'middle', 'strong'),
    line(laneOf(who), TOP - 10, laneOf(who), bottom, 'grid'),
  ]);
  const arrows = steps.map(({ who, does, place, iotlb, mark }, index) => {
    const y = TOP + index * STEP_HEIGHT + 8;
    const style = mark === '' ? 'label' : 'strong';
    return [
      label(8, y + 4, `${index + 1} ${mark}`.trimEnd(), 'start', 'tick'),
      arrow(laneOf(who), laneOf(PLACE), y),
      label(TEXT_LEFT, y + 4, does, 'start', style),
      label(STATE_LEFT, y + 4, iotlb === '-' ? place : `${place}; cached`, 'start', style),
    ];
  });
  const id = `steps-${policy}-${property.toLowerCase()}`;
  const title = `${policy} breaks ${property}: ${what}`;
  const description = steps.map(({ who, does, place }, index) => `${index + 1}. ${who}: ${does}. ${place}.`).join(' ');
  const caption = `${title}; then ${harm}. Found on the machine ${machine.name} under ${kernel} rules, fewest possible steps. ! breaks the property, * shows the harm, > is where the policy that does better goes another way; cached: the hostile device's IOTLB still has it. A claim about small machines, not about this trace.`;
  return plotFigure({ id, title, description }, bottom + 8, fragment(lanes, arrows), caption);
}

function arrow(from: number, to: number, y: number): Markup {
  const head = `M${to - 6},${y - 3} L${to},${y} L${to - 6},${y + 3}`;
  return fragment(line(from, y, to, y, 'leader'), element('path', { d: head, class: 'whisker' }));
}
