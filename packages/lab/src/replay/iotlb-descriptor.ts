/** Fields of an invalidation descriptor as `qi_submit` prints it. @source VT-d specification, IOTLB invalidate descriptor */

/** Descriptor type. */
export const IOTLB_INVALIDATION = 2;

/** Granularity of an IOTLB descriptor. */
export const DOMAIN_SELECTIVE = 2;
export const PAGE_SELECTIVE = 3;

/** Granularity that an IOTLB descriptor with this low half of the first quadword asks for. */
export function iotlbGranularity(qw0Low: number): number {
  return (qw0Low >>> 4) & 3;
}

/** Domain id that it names. */
export function iotlbDomainId(qw0Low: number): number {
  return qw0Low >>> 16;
}
