/**
 * The units of the model, named once.
 *
 * Each is a plain number at run time. The optional marker keeps two of them from being mixed by accident while any
 * computed number can still be assigned: a `Pfn` is refused where an `IovaPfn` is expected, `pfn + 1` is accepted.
 */
declare const unit: unique symbol;
type Unit<Name extends string> = number & { readonly [unit]?: Name };

/** Physical page frame number: physical address divided by 4096. Exact up to 2^52. */
export type Pfn = Unit<'Pfn'>;
/** I/O virtual page frame number: IOVA divided by 4096. */
export type IovaPfn = Unit<'IovaPfn'>;
/** Physical byte address, 0 to 2^52 - 1. */
export type PhysAddr = Unit<'PhysAddr'>;
/** I/O virtual byte address, 0 to 2^53 - 1. */
export type Iova = Unit<'Iova'>;
/** Address that a driver hands to its device: an IOVA under translation, a physical address without. */
export type DmaAddr = Unit<'DmaAddr'>;
/** VT-d domain id (DID), 0 to 65535, the tag on IOTLB entries. */
export type DomainId = Unit<'DomainId'>;
/** Integer nanoseconds since the start of the recording's clock. */
export type Ns = Unit<'Ns'>;
/** Logical CPU number, from 0. */
export type Cpu = Unit<'Cpu'>;

/** log2 of the IOMMU granule. */
export const PAGE_SHIFT = 12;
/** IOMMU granule in bytes. */
export const PAGE_SIZE = 4096;

/** What a failed mapping returns: the kernel's DMA_MAPPING_ERROR, all ones, which a number cannot hold exactly. */
export const DMA_MAPPING_ERROR = -1;
/** What the IOVA allocator returns when it has no room; page 0 is never handed out (alloc_iova_fast). */
export const NO_IOVA = 0;

/** enum dma_data_direction, include/linux/dma-direction.h. */
export const Direction = { BIDIRECTIONAL: 0, TO_DEVICE: 1, FROM_DEVICE: 2, NONE: 3 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** Kernel line whose rules the model follows; uses of the bounce pool that 6.1 cannot serve (edge pages, shadow buffers) have 6.12 rules. */
export type KernelRules = '6.1' | '6.12';
