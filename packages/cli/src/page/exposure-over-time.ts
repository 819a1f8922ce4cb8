/** What devices could reach over time under a few policies, and the plot of it. */

import { scaleLinear } from 'd3-scale';
import { area, curveStepAfter } from 'd3-shape';
import { AS_RECORDED, type CompareDevice, type CompareResult, type DeviceExposure } from 'dmalab-lab';
import { shortDevice } from '../report/trace-lines.ts';
import { bytesText, counted, secondsText } from '../terminal/format.ts';
import { element, fragment, type Markup } from './markup.ts';
import { label, line, PLOT_WIDTH, plotFigure } from './plot-frame.ts';
import { fillOf, patternDefinitions, patternLegend } from './plot-style.ts';
import { type ThinnedSeries, thinned } from './thinned-series.ts';

/** Classes of bytes that are not the device's own, in the order in which they are stacked, with their words. */
const FOREIGN_CLASSES: readonly (readonly [name: string, words: string])[] = [
  ['otherDevice', "other device's buffers"],
  ['neighbour', 'neighbours of unknown owner'],
  ['stale', 'unmapped, still cached'],
];
const DEVICES_MAX = 5;
const PANEL_HEIGHT = 74;
const PANEL_GAP = 34;
const LEFT = 78;
const GUTTER = 12;
const NS_PER_SECOND = 1e9;

/** One device under one policy. */
export interface ExposureOverTime {
  readonly policy: string;
  readonly device: string;
  readonly reach: 'limited' | 'all memory';
  /** Bytes of the classes that ever had some. */
  readonly classes: readonly (ThinnedSeries & { readonly name: string })[];
}

/** Series of the busiest devices under the policies that a reader compares first. */
export function exposureOverTime(result: CompareResult): ExposureOverTime[] {
  const policies = shownPolicies(result);
  const devices = shownDevices(result);
  return result.rows
    .filter(({ policy }) => policies.includes(policy))
    .flatMap(({ policy, exposure }) =>
      devices.flatMap(({ name }) => {
        const found = exposure?.devices.find((device) => device.name === name);
        return found === undefined ? [] : [{ policy, device: name, reach: found.reach, classes: classesOf(found) }];
      }),
    );
}

/** A row of panels per device, a column per policy, all panels of a device on one scale. */
export function exposureTimePlot(series: readonly ExposureOverTime[], result: CompareResult): Markup {
  const id = 'exposure-time';
  const policies = [...new Set(series.map(({ policy }) => policy))];
  const all = [...new Set(series.map(({ device }) => device))];
  const devices = all.filter((device) => series.some((panel) => panel.device === device && hasSomething(panel)));
  const panelWidth = (PLOT_WIDTH - LEFT - GUTTER * policies.length) / policies.length;
  const top = 66;
  const drawing = devices.map((device, row) => {
    const ofDevice = series.filter((panel) => panel.device === device);
    const peak = Math.max(0, ...ofDevice.map(stackedPeak));
    const y = top + row * (PANEL_HEIGHT + PANEL_GAP);
    const panels = ofDevice.map((panel) => {
      const x = LEFT + policies.indexOf(panel.policy) * (panelWidth + GUTTER);
      return panelMarkup(id, panel, x, y, panelWidth, peak, result.recording.durationNs);
    });
    return fragment(
      label(2, y - 6, deviceText(device, result), 'start', 'label strong'),
      label(LEFT - 6, y + 10, bytesText(peak), 'end', 'tick'),
      label(LEFT - 6, y + PANEL_HEIGHT, '0', 'end', 'tick'),
      panels,
    );
  });
  const words = FOREIGN_CLASSES.map(([, text]) => text);
  const hidden = result.devices.filter(({ chosen }) => chosen).length - all.length;
  const more = hidden > 0 ? ` ${counted(hidden, 'more device')}: dmalab compare --by-device.` : '';
  return plotFigure(
    {
      id,
      title: 'Exposure over time by device and policy',
      description: `Bytes that are not the device's own and that it could reach, mean of each bucket of time, for ${policies.join(', ')}. ${peaksText(series)}`,
    },
    top + devices.length * (PANEL_HEIGHT + PANEL_GAP),
    fragment(
      patternDefinitions(id, FOREIGN_CLASSES.length + 3),
      patternLegend(id, words, LEFT, 14),
      policies.map((policy, column) => label(LEFT + column * (panelWidth + GUTTER), 34, policy, 'start', 'label strong')),
      drawing,
    ),
    `Bytes within reach that are not the device's own, the mean of each bucket of time; one scale per device.${quietText(all.filter((device) => !devices.includes(device)))}${more}`,
  );
}

function hasSomething({ reach, classes }: ExposureOverTime): boolean {
  return reach === 'all memory' || classes.length > 0;
}

function quietText(devices: readonly string[]): string {
  return devices.length === 0 ? '' : ` Nothing of that kind under any of these policies: ${devices.map(shortDevice).join(', ')}.`;
}

function panelMarkup(id: string, panel: ExposureOverTime, x: number, y: number, width: number, peak: number, durationNs: number): Markup {
  const bottom = y + PANEL_HEIGHT;
  const frame = fragment(
    element('rect', { x: Math.round(x), y, width: Math.round(width), height: PANEL_HEIGHT, class: 'lane' }),
    line(x, bottom, x + width, bottom, 'base'),
    label(x, bottom + 13, '0', 'start', 'tick'),
    label(x + width, bottom + 13, secondsText(durationNs / NS_PER_SECOND), 'end', 'tick'),
  );
  if (panel.reach === 'all memory')
    return fragment(frame, label(x + width / 2, y + PANEL_HEIGHT / 2, 'all memory', 'middle', 'label strong'));
  const [first] = panel.classes;
  if (first === undefined) return fragment(frame, label(x + width / 2, bottom - 6, '0 B', 'middle'));
  const xScale = scaleLinear([0, durationNs], [x, x + width]);
  const yScale = scaleLinear([0, peak === 0 ? 1 : peak], [bottom, y]);
  const startNs = panel.classes[0]!.startNs;
  const base = new Float64Array(Math.max(...panel.classes.map(({ mean }) => mean.length)));
  const areas = FOREIGN_CLASSES.map(([name], index) => {
    const found = panel.classes.find((series) => series.name === name);
    if (found === undefined) return undefined;
    const steps = found.mean.map((value, bucket) => ({ bucket, from: base[bucket]!, to: base[bucket]! + value }));
    const last = steps.at(-1)!;
    const points = changesOf([...steps, { ...last, bucket: last.bucket + 1 }]);
    for (const [bucket, value] of found.mean.entries()) base[bucket]! += value;
    const path = area<(typeof points)[number]>()
      .x(({ bucket }) => Math.min(x + width, xScale(bucket * found.bucketNs + found.startNs - startNs)))
      .y0(({ from }) => yScale(from))
      .y1(({ to }) => yScale(to))
      .curve(curveStepAfter)
      .digits(1)(points);
    return element('path', { d: path ?? '', fill: fillOf(id, index), class: 'outline' });
  });
  return fragment(frame, areas);
}

/** Steps at which something changes, and the last. */
function changesOf<T extends { readonly from: number; readonly to: number }>(steps: readonly T[]): T[] {
  return steps.filter((step, index) => {
    const before = steps[index - 1];
    return before === undefined || index === steps.length - 1 || before.from !== step.from || before.to !== step.to;
  });
}

function classesOf({ series }: DeviceExposure): ExposureOverTime['classes'] {
  if (series === null) return [];
  const { classes, buckets, bucketNs } = series;
  return FOREIGN_CLASSES.flatMap(([name]) => {
    const lane = classes.indexOf(name);
    const values = thinned(
      buckets,
      bucketNs,
      (bucket) => buckets[bucket]!.mean[lane] ?? 0,
      (bucket) => buckets[bucket]!.max[lane] ?? 0,
    );
    return values.max.some((value) => value > 0) ? [{ name, ...values }] : [];
  });
}

function stackedPeak({ classes }: ExposureOverTime): number {
  const length = Math.max(0, ...classes.map(({ mean }) => mean.length));
  let peak = 0;
  for (let bucket = 0; bucket < length; bucket++) peak = Math.max(peak, sumAt(classes, bucket));
  return peak;
}

function sumAt(classes: ExposureOverTime['classes'], bucket: number): number {
  return classes.reduce((sum, { mean }) => sum + (mean[bucket] ?? 0), 0);
}

function peaksText(series: readonly ExposureOverTime[]): string {
  return series
    .map((panel) => {
      const peak = panel.reach === 'all memory' ? 'all memory' : `at most ${bytesText(stackedPeak(panel))}`;
      return `${shortDevice(panel.device)} under ${panel.policy}: ${peak}.`;
    })
    .join(' ');
}

/** The recorded machine, the unmap mode that it does not have, and two that promise everything. */
function shownPolicies({ rows, devices }: CompareResult): readonly string[] {
  const wasLazy = devices.some(({ chosen, recordedPolicy }) => chosen && recordedPolicy === 'lazy');
  const wanted = [AS_RECORDED, wasLazy ? 'strict' : 'lazy', 'bounce-strict', 'bounce-deferred'];
  return wanted.filter((name) => rows.some(({ policy }) => policy === name));
}

function shownDevices({ devices }: CompareResult): readonly CompareDevice[] {
  const calls = (device: CompareDevice): number => device.mapCalls + device.unmapCalls;
  const rank = (device: CompareDevice): number => (device.untrusted ? 1 : 0);
  return devices
    .filter(({ chosen }) => chosen)
    .toSorted((a, b) => rank(b) - rank(a) || calls(b) - calls(a))
    .slice(0, DEVICES_MAX);
}

function deviceText(name: string, { devices }: CompareResult): string {
  const device = devices.find((candidate) => candidate.name === name);
  const driver = device?.driver ?? null;
  return `${shortDevice(name)}${driver === null ? '' : ` ${driver}`}${device?.untrusted === true ? ' (untrusted)' : ''}`;
}
