/**
 * The kernel trace events that the importer keeps, and what the value columns of each one hold.
 *
 * `EVENT_FORMS` is the only place where the meaning of a column is written down; the parser fills rows from it, the
 * exporter prints from it, and `eventForm(kind).values` names the columns for people.
 */

/** Number of an event in the `kind` column. 0 is never used. */
export const EventKind = {
  MAP: 1,
  UNMAP: 2,
  ATTACH_DEVICE: 3,
  DETACH_DEVICE: 4,
  ADD_TO_GROUP: 5,
  REMOVE_FROM_GROUP: 6,
  IO_PAGE_FAULT: 7,
  BOUNCED: 8,
  QI_SUBMIT: 9,
  PRQ_REPORT: 10,
  CACHE_TAG_ASSIGN: 11,
  CACHE_TAG_UNASSIGN: 12,
  CACHE_TAG_FLUSH_ALL: 13,
  CACHE_TAG_FLUSH_RANGE: 14,
  CACHE_TAG_FLUSH_RANGE_NP: 15,
  DMA_MAP_PAGE: 16,
  DMA_MAP_RESOURCE: 17,
  DMA_MAP_PHYS: 18,
  DMA_UNMAP_PAGE: 19,
  DMA_UNMAP_RESOURCE: 20,
  DMA_UNMAP_PHYS: 21,
  DMA_ALLOC: 22,
  DMA_ALLOC_PAGES: 23,
  DMA_ALLOC_SGT: 24,
  DMA_ALLOC_SGT_ERR: 25,
  DMA_FREE: 26,
  DMA_FREE_PAGES: 27,
  DMA_FREE_SGT: 28,
  DMA_MAP_SG: 29,
  DMA_MAP_SG_ERR: 30,
  DMA_UNMAP_SG: 31,
  DMA_SYNC_SINGLE_FOR_CPU: 32,
  DMA_SYNC_SINGLE_FOR_DEVICE: 33,
  DMA_SYNC_SG_FOR_CPU: 34,
  DMA_SYNC_SG_FOR_DEVICE: 35,
  INTEL_MAP_SINGLE: 36,
  INTEL_MAP_SG: 37,
  INTEL_BOUNCE_MAP_SINGLE: 38,
  INTEL_BOUNCE_MAP_SG: 39,
  INTEL_UNMAP_SINGLE: 40,
  INTEL_UNMAP_SG: 41,
  INTEL_BOUNCE_UNMAP_SINGLE: 42,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** Size of a table indexed by kind. */
export const EVENT_KIND_COUNT = 43;

/** A value column that the line did not carry (`pages` of newer kernels, `phys_addr` of dma_alloc). */
export const ABSENT = -2;
/** 64 bits of ones in an address: a failed mapping (DMA_MAPPING_ERROR), or "no address" on some platforms. */
export const ALL_ONES = -1;
/** Value of the `direction` column when the line has no direction; others as `Direction` of dmalab-core. */
export const NO_DIRECTION = 255;

/** Value of the `level` column: in which context the line was written. Lines without flags count as TASK. */
export const ContextLevel = { TASK: 0, SOFTIRQ: 1, HARDIRQ: 2, NMI: 3 } as const;
export type ContextLevel = (typeof ContextLevel)[keyof typeof ContextLevel];

/** `forced` of BOUNCED: the word after the size; kernels before 4.10 wrote `swiotlb_force` (FORCE) or nothing (NORMAL). */
export const BounceForce = { NORMAL: 0, FORCE: 1, NO_FORCE: 2 } as const;

/**
 * `descriptorType` of QI_SUBMIT, by the kernel's word; a word that is not here gives 0.
 * @source Linux v6.12 include/trace/events/intel_iommu.h qi_submit
 */
export const QI_TYPE_NAMES: readonly string[] = [
  'unknown',
  'cc_inv',
  'iotlb_inv',
  'dev_tlb_inv',
  'iec_inv',
  'inv_wait',
  'p_iotlb_inv',
  'pc_inv',
  'p_dev_tlb_inv',
  'page_grp_resp',
];

/**
 * `tagType` of the CACHE_TAG events, by the kernel's word; 255 for a word that is not here.
 * @source Linux v6.12 include/trace/events/intel_iommu.h cache_tag_log
 */
export const CACHE_TAG_TYPE_NAMES: readonly string[] = ['iotlb', 'devtlb', 'nesting_iotlb', 'nesting_devtlb'];

/**
 * Names of the bits of the `attrs` column, by bit number; a number without a name has `undefined`.
 * @source Linux v6.12 include/linux/dma-mapping.h, bits 10 to 14 from later kernels
 */
export const ATTRIBUTE_NAMES: readonly (string | undefined)[] = [
  undefined,
  'WEAK_ORDERING',
  'WRITE_COMBINE',
  undefined,
  'NO_KERNEL_MAPPING',
  'SKIP_CPU_SYNC',
  'FORCE_CONTIGUOUS',
  'ALLOC_SINGLE_PAGES',
  'NO_WARN',
  'PRIVILEGED',
  'MMIO',
  'CACHELINES_OVERLAP',
  'REQUIRE_COHERENT',
  'CC_SHARED',
  'ALLOC_CC_SHARED',
];

/** Trace system of an event, as in `events/<system>/<name>`. */
export type EventSystem = 'iommu' | 'swiotlb' | 'intel_iommu' | 'dma';

/** Lists that a row can have; see EventBatch. */
export type ListName = 'dmaAddrs' | 'sizes' | 'physAddrs';

/** One event: its name in the trace and the meaning of its columns. */
export interface EventForm {
  readonly kind: EventKind;
  readonly system: EventSystem;
  readonly name: string;
  /** What v0, v1, ... hold; addresses and sizes in bytes. Columns beyond the list are ABSENT. */
  readonly values: readonly string[];
  readonly lists: readonly ListName[];
}

const SINGLE_MAP = ['dmaAddr', 'size', 'physAddr'];
const SINGLE_UNMAP = ['dmaAddr', 'size'];
/** Early 6.12 lines have `physAddr` here, later ones ABSENT. */
const ALLOC = ['dmaAddr', 'size', 'physAddr'];
/** Real counts of entries; a list of the row is shorter when the kernel cut it (`truncated` 1). */
const SCATTER = ['nents', 'ents', 'truncated'];
/** `pages` is ABSENT from 7.2 on; `end` is inclusive, ALL_ONES for a whole address space. */
const FLUSH_RANGE = ['did', 'start', 'end', 'addr', 'pages', 'mask', 'tagType', 'pasid'];
const CACHE_TAG = ['did', 'pasid', 'users', 'tagType'];
const INTEL_SG = ['dmaAddr', 'size', 'physAddr', 'index', 'total'];

/**
 * All events, in the order of EventKind.
 *
 * Notes. MAP, UNMAP: `end` is exclusive. BOUNCED: `dmaMask` of 53 bits or more is rounded up to a power of two (all ones is
 * 2^64), so comparisons with addresses hold; `origAddr` is the address of the original buffer. QI_SUBMIT: the first two
 * 64-bit words as unsigned 32-bit halves; the other two are zero in everything that concerns DMA. `unit` column: the
 * remapping unit of QI_SUBMIT, PRQ_REPORT and CACHE_TAG events, the driver of IO_PAGE_FAULT. `device` column of CACHE_TAG
 * events: -1 where the kernel prints the unit a second time, which it does for all but device-TLB tags.
 */
export const EVENT_FORMS: readonly EventForm[] = [
  form('MAP', 'iommu', 'map', ['iova', 'end', 'paddr', 'size']),
  form('UNMAP', 'iommu', 'unmap', ['iova', 'end', 'size', 'unmappedSize']),
  form('ATTACH_DEVICE', 'iommu', 'attach_device_to_domain', []),
  form('DETACH_DEVICE', 'iommu', 'detach_device_from_domain', []),
  form('ADD_TO_GROUP', 'iommu', 'add_device_to_group', ['group']),
  form('REMOVE_FROM_GROUP', 'iommu', 'remove_device_from_group', ['group']),
  form('IO_PAGE_FAULT', 'iommu', 'io_page_fault', ['iova', 'flags']),
  form('BOUNCED', 'swiotlb', 'swiotlb_bounced', ['dmaMask', 'origAddr', 'size', 'forced']),
  form('QI_SUBMIT', 'intel_iommu', 'qi_submit', ['qw0High', 'qw0Low', 'qw1High', 'qw1Low', 'descriptorType']),
  form('PRQ_REPORT', 'intel_iommu', 'prq_report', ['sequence']),
  form('CACHE_TAG_ASSIGN', 'intel_iommu', 'cache_tag_assign', CACHE_TAG),
  form('CACHE_TAG_UNASSIGN', 'intel_iommu', 'cache_tag_unassign', CACHE_TAG),
  form('CACHE_TAG_FLUSH_ALL', 'intel_iommu', 'cache_tag_flush_all', CACHE_TAG),
  form('CACHE_TAG_FLUSH_RANGE', 'intel_iommu', 'cache_tag_flush_range', FLUSH_RANGE),
  form('CACHE_TAG_FLUSH_RANGE_NP', 'intel_iommu', 'cache_tag_flush_range_np', FLUSH_RANGE),
  form('DMA_MAP_PAGE', 'dma', 'dma_map_page', SINGLE_MAP),
  form('DMA_MAP_RESOURCE', 'dma', 'dma_map_resource', SINGLE_MAP),
  form('DMA_MAP_PHYS', 'dma', 'dma_map_phys', SINGLE_MAP),
  form('DMA_UNMAP_PAGE', 'dma', 'dma_unmap_page', SINGLE_UNMAP),
  form('DMA_UNMAP_RESOURCE', 'dma', 'dma_unmap_resource', SINGLE_UNMAP),
  form('DMA_UNMAP_PHYS', 'dma', 'dma_unmap_phys', SINGLE_UNMAP),
  form('DMA_ALLOC', 'dma', 'dma_alloc', ALLOC),
  form('DMA_ALLOC_PAGES', 'dma', 'dma_alloc_pages', ALLOC),
  form('DMA_ALLOC_SGT', 'dma', 'dma_alloc_sgt', SINGLE_UNMAP, ['physAddrs']),
  form('DMA_ALLOC_SGT_ERR', 'dma', 'dma_alloc_sgt_err', SINGLE_UNMAP),
  form('DMA_FREE', 'dma', 'dma_free', SINGLE_UNMAP),
  form('DMA_FREE_PAGES', 'dma', 'dma_free_pages', SINGLE_UNMAP),
  form('DMA_FREE_SGT', 'dma', 'dma_free_sgt', SINGLE_UNMAP, ['physAddrs']),
  form('DMA_MAP_SG', 'dma', 'dma_map_sg', SCATTER, ['dmaAddrs', 'sizes', 'physAddrs']),
  form('DMA_MAP_SG_ERR', 'dma', 'dma_map_sg_err', ['nents', 'ents', 'truncated', 'err'], ['physAddrs']),
  form('DMA_UNMAP_SG', 'dma', 'dma_unmap_sg', SCATTER, ['physAddrs']),
  form('DMA_SYNC_SINGLE_FOR_CPU', 'dma', 'dma_sync_single_for_cpu', SINGLE_UNMAP),
  form('DMA_SYNC_SINGLE_FOR_DEVICE', 'dma', 'dma_sync_single_for_device', SINGLE_UNMAP),
  form('DMA_SYNC_SG_FOR_CPU', 'dma', 'dma_sync_sg_for_cpu', SCATTER, ['dmaAddrs', 'sizes']),
  form('DMA_SYNC_SG_FOR_DEVICE', 'dma', 'dma_sync_sg_for_device', SCATTER, ['dmaAddrs', 'sizes']),
  form('INTEL_MAP_SINGLE', 'intel_iommu', 'map_single', SINGLE_MAP),
  form('INTEL_MAP_SG', 'intel_iommu', 'map_sg', INTEL_SG),
  form('INTEL_BOUNCE_MAP_SINGLE', 'intel_iommu', 'bounce_map_single', SINGLE_MAP),
  form('INTEL_BOUNCE_MAP_SG', 'intel_iommu', 'bounce_map_sg', INTEL_SG),
  form('INTEL_UNMAP_SINGLE', 'intel_iommu', 'unmap_single', SINGLE_UNMAP),
  form('INTEL_UNMAP_SG', 'intel_iommu', 'unmap_sg', SINGLE_UNMAP),
  form('INTEL_BOUNCE_UNMAP_SINGLE', 'intel_iommu', 'bounce_unmap_single', SINGLE_UNMAP),
];

function form(
  kind: keyof typeof EventKind,
  system: EventSystem,
  name: string,
  values: readonly string[],
  lists: readonly ListName[] = [],
): EventForm {
  return { kind: EventKind[kind], system, name, values, lists };
}

/** The form of a kind taken from a `kind` column. */
export function eventForm(kind: number): EventForm {
  return EVENT_FORMS[kind - 1]!;
}
