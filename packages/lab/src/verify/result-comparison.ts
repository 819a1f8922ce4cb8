import { DMA_MAPPING_ERROR } from 'dmalab-core';
import { RecordedCall } from '../replay/call-records.ts';
import type { CallContext } from './call-context.ts';
import type { CallRun } from './call-run.ts';
import { describeLine, formatAddress } from './line-text.ts';

/** Compares what a call returned with its API line `seq`: the address of a map or alloc, the segments of a scatter list. */
export function compareResult(context: CallContext, run: CallRun, seq: number): void {
  const { kind } = run;
  const isMap = kind === RecordedCall.MAP_PAGE || kind === RecordedCall.MAP_RESOURCE || kind === RecordedCall.ALLOC;
  if (!isMap && kind !== RecordedCall.MAP_SG) return;
  if (run.frame < 0) context.checks.notComparable('address');
  else if (isMap) compareAddress(context, run, seq);
  else if (entriesTruncated(context, run.call)) compareFirstSegment(context, run, seq);
  else compareSegments(context, run, seq);
}

function compareAddress(context: CallContext, run: CallRun, seq: number): void {
  const { checks, lines } = context;
  const { result, slots } = context.dma.calls;
  const at = seq & lines.mask;
  const isAlloc = run.kind === RecordedCall.ALLOC;
  if (isAlloc) compareRuns(context, run, seq);
  const direct = context.machine.devices[run.device].domain === null;
  if (direct && isAlloc) checks.given('address');
  else equalAddress(context, seq, result[run.frame], lines.v0[at]);
  if (direct && !isAlloc && slots[run.frame] < 0) checks.equal('bounce');
}

/** The runs of coherent memory are given, but together they are as long as what was asked for. */
function compareRuns(context: CallContext, run: CallRun, seq: number): void {
  const { bytes, mappedBytes, result } = context.dma.calls;
  if (run.domain < 0 || result[run.frame] === DMA_MAPPING_ERROR || mappedBytes[run.frame] === bytes[run.frame]) return;
  context.differ('map', seq, `${bytes[run.frame]} bytes mapped`, `${mappedBytes[run.frame]} bytes in the map lines`);
}

/** The kernel prints 128 entries of a list at most: of a longer one only the first address is compared. */
function entriesTruncated(context: CallContext, call: number): boolean {
  const { lines } = context;
  const at = context.assembler.calls.apiSeq[call] & lines.mask;
  return lines.physAddrsCount[at] < lines.v0[at] || lines.dmaAddrsCount[at] < lines.v1[at];
}

function compareFirstSegment(context: CallContext, run: CallRun, seq: number): void {
  const { lines } = context;
  const { entriesMax, entryDmaAddr } = context.dma.calls;
  const recorded = lines.list[lines.dmaAddrs[seq & lines.mask] & lines.listMask];
  equalAddress(context, seq, entryDmaAddr[run.frame * entriesMax], recorded);
}

function equalAddress(context: CallContext, seq: number, predicted: number, recorded: number): void {
  if (predicted === recorded) context.checks.equal('address');
  else context.differ('address', seq, formatAddress(predicted), formatAddress(recorded));
}

function compareSegments(context: CallContext, run: CallRun, seq: number): void {
  const { lines } = context;
  const { calls } = context.dma;
  const at = seq & lines.mask;
  const count = lines.dmaAddrsCount[at];
  const result = calls.result[run.frame];
  const first = run.frame * calls.entriesMax;
  let same = result === count;
  for (let index = 0; same && index < count; index++) {
    same =
      calls.entryDmaAddr[first + index] === lines.list[(lines.dmaAddrs[at] + index) & lines.listMask] &&
      calls.entryDmaBytes[first + index] === lines.list[(lines.sizes[at] + index) & lines.listMask];
  }
  if (same) context.checks.equal('address');
  else context.differ('address', seq, `${result} segments from ${formatAddress(calls.entryDmaAddr[first])}`, describeLine(lines, seq));
}
