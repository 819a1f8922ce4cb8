/** Words for pages, devices and mappings that all parts of the explanation share. */
import type { ExplainedPage, LifeEvent, MappingLife } from 'dmalab-lab';
import { asciiText } from '../terminal/ascii.ts';
import { bytesText, countText, mappingHandle, NOT_APPLICABLE } from '../terminal/format.ts';
import { shortDevice, timeText } from './trace-lines.ts';

/** Longest task name that a kernel keeps. */
const TASK_COLUMNS = 16;

/** `ffef6000` */
export function addressText(address: number): string {
  return address.toString(16);
}

/** `02:00.0 (nvme)`, or what is known of it. */
export function deviceText(device: string | null, driver: string | null): string {
  if (device === null) return 'a device that no line names';
  return driver === null ? shortDevice(device) : `${shortDevice(device)} (${asciiText(driver)})`;
}

/** The device that a page is about. */
export function pageDevice({ fault, devices, lives, chosen }: ExplainedPage): string | null {
  return fault?.device ?? devices[0] ?? lives[chosen]?.device ?? null;
}

/** `m-1207, FROM_DEVICE, 4096 B`; a mapping without a number by its line. */
export function mappingText(life: MappingLife): string {
  const parts = [life.number > 0 ? mappingHandle(life.number) : 'a mapping whose beginning was not recorded'];
  if (life.kind === 'coherent') parts.push('coherent memory');
  else if (life.direction !== null) parts.push(life.direction);
  if (life.bytes !== null) parts.push(sizeText(life.bytes));
  return parts.join(', ');
}

/** Exact bytes where they are few: `46 B`, `4,096 B`, else `128 KiB`. */
export function sizeText(bytes: number): string {
  return bytes < 100_000 ? `${countText(bytes)} B` : bytesText(bytes);
}

/** `dd-342 on CPU 0, hardirq` */
export function whoText({ task, pid, cpu, level }: LifeEvent): string {
  return `${asciiText(task).slice(0, TASK_COLUMNS)}-${pid}, CPU ${cpu}${level === 'task' ? '' : `, ${level}`}`;
}

/** `8.114899`, a dash without a time. */
export function momentText(timeNs: number | null, timeBaseSeconds: number): string {
  return timeNs === null ? NOT_APPLICABLE : timeText(timeNs, timeBaseSeconds);
}

/** Whether the entries of a mapping let the access pass while it is mapped; undefined where no line tells. */
export function permits(
  { fault, writeOnlyReadable }: Pick<ExplainedPage, 'fault' | 'writeOnlyReadable'>,
  life: MappingLife,
): boolean | undefined {
  if (life.kind === 'coherent') return true;
  if (life.direction === null || fault === null || fault.isWrite === null) return undefined;
  return fault.isWrite ? life.direction !== 'TO_DEVICE' : life.direction !== 'FROM_DEVICE' || writeOnlyReadable;
}
