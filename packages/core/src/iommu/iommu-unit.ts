/**
 * One remapping unit (DRHD): capabilities, context tables, caches, invalidation queue and fault records put together.
 *
 * The tables of the domains are not part of it: they lie in page frames that the unit only reads.
 */
import type { Columns, ObservationLog, PhysAddr, StateArena } from '../base/index.ts';
import type { FrameStore } from '../mem/index.ts';
import { AssociativeCache, type AssociativeShape } from './associative-cache.ts';
import type { Capability, ExtendedCapability } from './capability.ts';
import { ContextTable } from './context.ts';
import { ContextCache } from './context-cache.ts';
import { FaultRecorder } from './fault.ts';
import { InvalidationQueue, QUEUE_ENTRIES } from './invalidation-queue.ts';
import { Iotlb } from './iotlb.ts';
import { PagingStructureCache } from './paging-structure-cache.ts';
import { LEVEL_MAX, type TranslationCache } from './translation-cache.ts';
import { UnboundedCache, type UnboundedShape } from './unbounded-cache.ts';

/** Build of one cache; null leaves it out. */
export type CacheShape = AssociativeShape | UnboundedShape | null;

export interface IommuUnitOptions {
  /** As in the trace, e.g. `dmar0`; unique within the arena. */
  readonly name: string;
  readonly capability: Capability;
  readonly extendedCapability: ExtendedCapability;
  readonly iotlb: CacheShape;
  /** Build of the cache of each level 2 to 5. */
  readonly pagingStructures: CacheShape;
  /** One for all devices together; used for contexts that permit it. */
  readonly deviceTlb: CacheShape;
  readonly contextCacheEntries: number;
  /** The context cache keeps every entry until it is invalidated. */
  readonly contextCacheGrows: boolean;
  readonly queueEntries: number;
  /** Where the queue's status words are, a multiple of 4. */
  readonly statusBase: PhysAddr;
}

/** A unit whose caches keep everything until it is invalidated: the worst that the architecture permits. */
export const ADVERSARIAL_CACHES: Omit<IommuUnitOptions, 'name' | 'capability' | 'extendedCapability'> = {
  iotlb: { kind: 'unbounded', slots: 16 },
  pagingStructures: { kind: 'unbounded', slots: 4 },
  deviceTlb: { kind: 'unbounded', slots: 4 },
  contextCacheEntries: 4,
  contextCacheGrows: true,
  queueEntries: QUEUE_ENTRIES,
  statusBase: 0x1000,
};

const STATE_SHAPE = { translationEnabled: 'u8' } as const;

export class IommuUnit {
  readonly name: string;
  readonly capability: Capability;
  readonly extendedCapability: ExtendedCapability;
  readonly frames: FrameStore;
  readonly contextTable: ContextTable;
  readonly contextCache: ContextCache;
  readonly iotlb: Iotlb | null;
  readonly pagingStructures: PagingStructureCache | null;
  /** Tagged with source ids instead of domain ids. */
  readonly deviceTlb: Iotlb | null;
  readonly faults: FaultRecorder;
  readonly queue: InvalidationQueue;
  readonly log: ObservationLog | null;
  private state!: Uint8Array<ArrayBuffer>;

  constructor(arena: StateArena, frames: FrameStore, options: IommuUnitOptions, log: ObservationLog | null) {
    const { name, capability, extendedCapability } = options;
    this.name = name;
    this.capability = capability;
    this.extendedCapability = extendedCapability;
    this.frames = frames;
    this.log = log;
    arena.table(`${name}.state`, 1, STATE_SHAPE, (columns: Columns<typeof STATE_SHAPE>) => {
      this.state = columns.translationEnabled;
    });
    this.contextTable = new ContextTable(frames, capability, extendedCapability);
    this.contextCache = new ContextCache(arena, name, options.contextCacheEntries, options.contextCacheGrows);
    this.iotlb = iotlbOf(arena, `${name}.iotlb`, options.iotlb);
    this.deviceTlb = extendedCapability.deviceTlb ? iotlbOf(arena, `${name}.deviceTlb`, options.deviceTlb) : null;
    this.pagingStructures = pagingStructuresOf(arena, `${name}.pagingStructures`, options.pagingStructures);
    this.faults = new FaultRecorder(arena, name, capability.faultRecords);
    this.queue = new InvalidationQueue(arena, name, options.queueEntries, options.statusBase, capability, this);
  }

  /** GSTS.TE: while it is clear every address is physical. */
  get translationEnabled(): boolean {
    return this.state[0] !== 0;
  }

  setTranslationEnabled(enabled: boolean): void {
    this.state[0] = enabled ? 1 : 0;
  }
}

function iotlbOf(arena: StateArena, name: string, shape: CacheShape): Iotlb | null {
  return shape === null ? null : new Iotlb(cacheOf(arena, name, shape));
}

function pagingStructuresOf(arena: StateArena, name: string, shape: CacheShape): PagingStructureCache | null {
  if (shape === null) return null;
  const caches: TranslationCache[] = [];
  for (let level = 2; level <= LEVEL_MAX; level++) caches.push(cacheOf(arena, `${name}${level}`, shape));
  return new PagingStructureCache(caches);
}

function cacheOf(arena: StateArena, name: string, shape: AssociativeShape | UnboundedShape): TranslationCache {
  return shape.kind === 'unbounded' ? new UnboundedCache(arena, name, shape) : new AssociativeCache(arena, name, shape);
}
