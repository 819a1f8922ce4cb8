import { PAGE_SIZE } from 'dmalab-core';
import type { EventBatch } from 'dmalab-trace';
import type { AssemblyCounters } from '../replay/call-assembler.ts';
import { MappingKind } from '../replay/live-mappings.ts';
import type { Recording } from '../replay/recording.ts';
import { recordingFacts } from '../replay/recording-facts.ts';
import { AddressSpaces, UNKNOWN_SPACE } from './address-spaces.ts';
import type { ExplainQuestion, PageQuestion } from './explain-question.ts';
import {
  type Elsewhere,
  EXPLAIN_RESULT_VERSION,
  type ExplainedPage,
  type ExplainResult,
  type LogSummary,
  type MappingLife,
  type Neighbour,
  type RecordingGaps,
} from './explain-result.ts';
import { judge } from './explain-verdict.ts';
import { LifeRecorder } from './life-recorder.ts';
import { finishedLife, type OpenLife } from './mapping-life.ts';
import { WatchedPages } from './watched-pages.ts';

/** From here on second-level entries are readable only when asked. @source Linux v7.2 drivers/iommu/generic_pt, second-stage format */
const EXACT_RIGHTS_MAJOR = 7;

/**
 * Follows the pages of a question through a recording, whose batches it takes one after the other.
 *
 * Memory: the events of the asked pages, and the mappings that are alive.
 */
export class Explanation {
  private readonly recording: Recording;
  private readonly question: ExplainQuestion;
  private readonly spaces: AddressSpaces;
  private readonly watched: WatchedPages;
  private readonly recorder: LifeRecorder;
  private readonly neighbours: { below: Neighbour | null; above: Neighbour | null }[];
  /** Questions whose time has not been reached, the next one last. */
  private readonly waiting: number[];
  private nextNs: number = Number.NEGATIVE_INFINITY;

  constructor(recording: Recording, question: ExplainQuestion) {
    this.recording = recording;
    this.question = question;
    this.spaces = new AddressSpaces(recording);
    this.watched = new WatchedPages(question.pages.flatMap(({ page }) => (page === null ? [] : [page])));
    this.recorder = new LifeRecorder(recording, this.spaces, this.watched);
    this.recorder.onLine = (timeNs) => {
      if (timeNs > this.nextNs) this.reach(timeNs);
    };
    this.neighbours = question.pages.map(() => ({ below: null, above: null }));
    this.waiting = question.pages.map((_, index) => index);
    this.waiting.sort((a, b) => (question.pages[b].seconds ?? Infinity) - (question.pages[a].seconds ?? Infinity));
  }

  /** What did not fit while lines were put together into calls. */
  assembly(): Omit<AssemblyCounters, 'calls' | 'emptyFrees' | 'unknownMapping'> & { readonly unknownMappings: number } {
    const { rebuilt, strayLines, mappingsReplaced, firstUnknownMappingLine, firstStrayLine, unknownMapping } =
      this.recorder.assembler.counters;
    return { rebuilt, unknownMappings: unknownMapping, strayLines, mappingsReplaced, firstUnknownMappingLine, firstStrayLine };
  }

  /** Takes the next batch of the trace. */
  push(batch: EventBatch): void {
    this.recorder.push(batch);
  }

  /** No more lines. */
  finish(): ExplainResult {
    this.recorder.finish();
    this.reach(Number.POSITIVE_INFINITY);
    for (const index of this.waiting) this.look(index);
    const gaps = this.gaps();
    return {
      format: 'dmalab-explain',
      version: EXPLAIN_RESULT_VERSION,
      recording: recordingFacts(this.recording),
      gaps,
      log: this.question.log === null ? null : logSummary(this.question.log),
      pages: this.question.pages.map((asked, index) => this.explained(asked, index, gaps)),
    };
  }

  // ---- neighbours at the time asked about --------------------------------------------------------------------

  private timeNsOf({ seconds }: PageQuestion): number | null {
    return seconds === null ? null : Math.round((seconds - this.recording.statistics.timeBaseSeconds) * 1e9);
  }

  /** The pass is at `timeNs`: looks around for every question about an earlier time. */
  private reach(timeNs: number): void {
    while (this.waiting.length > 0) {
      const index = this.waiting.at(-1)!;
      const askedNs = this.timeNsOf(this.question.pages[index]) ?? Number.POSITIVE_INFINITY;
      if (askedNs >= timeNs) {
        this.nextNs = askedNs;
        return;
      }
      this.look(index);
      this.waiting.pop();
    }
    this.nextNs = Number.POSITIVE_INFINITY;
  }

  private look(index: number): void {
    const { page } = this.question.pages[index];
    const space = this.spaceOf(this.question.pages[index]);
    if (page === null || space === null || space < 0) return;
    const { mappings } = this.recorder.assembler;
    const found = this.neighbours[index];
    for (const row of mappings.findable()) {
      if (this.spaces.ofDevice(mappings.device[row]) !== space || !(this.recorder.numbers[row] > 0)) continue;
      const segments = mappings.kind[row] === MappingKind.SG ? mappings.segments[row] : null;
      const count = segments?.dmaAddr.length ?? 1;
      for (let segment = 0; segment < count; segment++) {
        const dmaAddr = segments?.dmaAddr[segment] ?? mappings.dmaAddr[row];
        const bytes = segments?.bytes[segment] ?? mappings.bytes[row];
        const end = dmaAddr + bytes;
        const number = this.recorder.numbers[row];
        if (end <= page && end > endOf(found.below)) found.below = this.neighbour(row, number, dmaAddr, bytes);
        if (dmaAddr >= page + PAGE_SIZE && dmaAddr < (found.above?.dmaAddr ?? Infinity))
          found.above = this.neighbour(row, number, dmaAddr, bytes);
      }
    }
  }

  private neighbour(row: number, number: number, dmaAddr: number, bytes: number): Neighbour {
    return { number, device: this.spaces.nameOf(this.recorder.assembler.mappings.device[row]), dmaAddr, bytes };
  }

  // ---- the result --------------------------------------------------------------------------------------------

  /** Address space that is asked about: null for all of them, UNKNOWN_SPACE for a device that the recording lacks. */
  private spaceOf({ device }: PageQuestion): number | null {
    if (device === null) return null;
    const index = this.spaces.recorded.deviceByName.get(device);
    return index === undefined ? UNKNOWN_SPACE : this.spaces.ofIndex(index);
  }

  private explained(asked: PageQuestion, index: number, gaps: RecordingGaps): ExplainedPage {
    const space = this.spaceOf(asked);
    const all = asked.page === null ? [] : this.watched.of(asked.page).lives;
    const own = all.filter((life) => space === null || life.space === space || life.space === UNKNOWN_SPACE);
    this.addFaults(asked, own);
    const lives = own.map(finishedLife);
    const timeNs = this.timeNsOf(asked);
    const named = namedLife(asked, lives);
    const writeOnlyReadable = !(Number.parseInt(this.recording.description?.kernelRelease ?? '', 10) >= EXACT_RIGHTS_MAJOR);
    const { verdict, chosen } = judge({
      fault: asked.fault,
      deviceKnown: space !== UNKNOWN_SPACE,
      translated: space === null || space >= 0,
      lives,
      timeNs: named < 0 ? timeNs : null,
      named,
      gaps,
      writeOnlyReadable,
    });
    const devices = space === null ? [] : space >= 0 ? this.spaces.devicesOf(space).map(({ name }) => name) : [asked.device!];
    const about = asked.device ?? (chosen >= 0 ? lives[chosen].device : null);
    return {
      page: asked.page,
      fault: asked.fault,
      devices: [...devices.filter((name) => name === asked.device), ...devices.filter((name) => name !== asked.device)],
      driver: this.spaces.recorded.devices.find(({ name }) => name === about)?.driver ?? null,
      timeNs: named < 0 ? timeNs : null,
      named: named >= 0,
      verdict,
      chosen,
      lives,
      elsewhere: this.elsewhere(
        all.filter((life) => !own.includes(life)),
        timeNs,
      ),
      ...this.neighbours[index],
      writeOnlyReadable,
    };
  }

  /** Faults of the trace itself stand in the life in which they fell. */
  private addFaults(asked: PageQuestion, lives: readonly OpenLife[]): void {
    for (const { page, event, device } of this.recorder.faults) {
      if (page !== asked.page || (asked.device !== null && device !== asked.device)) continue;
      const life = lives.findLast((candidate) => (candidate.mappedNs ?? Number.NEGATIVE_INFINITY) <= event.timeNs);
      if (life !== undefined && !life.events.includes(event)) life.events.push(event);
    }
  }

  private elsewhere(lives: readonly OpenLife[], timeNs: number | null): Elsewhere[] {
    const spaces = new Map<number, OpenLife[]>();
    for (const life of lives) spaces.set(life.space, [...(spaces.get(life.space) ?? []), life]);
    return [...spaces.values()].map((there) => {
      const at = timeNs ?? Number.POSITIVE_INFINITY;
      const live = there.findLast(({ mappedNs, unmappedNs }) => (mappedNs ?? -1) <= at && (unmappedNs === null || unmappedNs > at));
      const names = there.flatMap(({ device }) => (device === null ? [] : [device]));
      return { devices: [...new Set(names)], lives: there.length, live: live === undefined ? null : finishedLife(live) };
    });
  }

  private gaps(): RecordingGaps {
    const { statistics, facts, inference } = this.recording;
    const { counters } = this.recorder.assembler;
    const loss = statistics.losses[0];
    const hasLoss = statistics.overwritten > 0 || loss !== undefined;
    return {
      firstTimeNs: statistics.firstTimeNs,
      lastTimeNs: statistics.lastTimeNs,
      lost: statistics.lostUnknownMarks > 0 && statistics.lost === 0 ? -1 : statistics.lost,
      firstLossNs: hasLoss ? (statistics.overwritten > 0 ? statistics.firstTimeNs : Math.max(loss?.timeNs ?? 0, 0)) : null,
      unknownMappings: counters.unknownMapping,
      outcomesOnly: !facts.hasApiLines,
      noDescriptors: !inference.hasDescriptors,
      mappings: this.recorder.mappings,
    };
  }
}

function logSummary({ lines, suppressed, notUnderstood }: LogSummary): LogSummary {
  return { lines, suppressed, notUnderstood };
}

function endOf(neighbour: Neighbour | null): number {
  return neighbour === null ? Number.NEGATIVE_INFINITY : neighbour.dmaAddr + neighbour.bytes;
}

/** The life that the handle is part of, -1 for none. */
function namedLife({ handle }: PageQuestion, lives: readonly MappingLife[]): number {
  if (handle === null) return -1;
  if ('mapping' in handle) return lives.findIndex(({ number }) => number === handle.mapping);
  return lives.findIndex(({ events }) => events.some(({ line }) => line === handle.line));
}
