/** What a fault reason of VT-d is about. */
type FaultSubject = 'page' | 'width' | 'device' | 'table' | 'request' | 'interrupt' | 'unknown';

/** A fault reason in words. */
export interface FaultReasonText {
  /** `page`: the mapping of the address decides; all others have other causes. */
  readonly subject: FaultSubject;
  readonly text: string;
}

/** @source Intel VT-d specification, "Fault Reason Encodings" (legacy, interrupt remapping, scalable mode) */
const REASONS: Readonly<Record<number, readonly [FaultSubject, string]>> = {
  1: ['device', 'root entry not present'],
  2: ['device', 'context entry not present'],
  3: ['device', 'context entry invalid'],
  4: ['width', 'address beyond the width that the unit translates'],
  5: ['page', 'page not mapped, or not for writing'],
  6: ['page', 'page not mapped, or not for reading'],
  7: ['table', 'pointer to the next page table invalid'],
  8: ['table', 'root table address invalid'],
  9: ['table', 'context table address invalid'],
  10: ['table', 'reserved bits set in a root entry'],
  11: ['table', 'reserved bits set in a context entry'],
  12: ['table', 'reserved bits set in a page-table entry'],
  13: ['request', 'translation request, or translated request, blocked'],
  113: ['page', 'page not mapped (first level)'],
  121: ['page', 'page not mapped, or not for this access (second level)'],
  131: ['width', 'address beyond the width that the hardware translates'],
  132: ['width', 'address beyond the width of the second level'],
  133: ['page', 'page not for writing'],
  134: ['page', 'page not for reading'],
  135: ['request', 'address in the interrupt window'],
};

/** First and last reason of a group that shares a meaning. @source as REASONS */
const GROUPS: readonly (readonly [first: number, last: number, subject: FaultSubject, text: string])[] = [
  [0x20, 0x26, 'interrupt', 'interrupt remapping'],
  [0x30, 0x48, 'device', 'root or context entry (scalable mode)'],
  [0x50, 0x5d, 'device', 'PASID entry (scalable mode)'],
  [0x70, 0x77, 'table', 'first-level page table'],
  [0x78, 0x7c, 'table', 'second-level page table'],
  [0x80, 0x90, 'request', 'form of the address or kind of access'],
];

/** What a reason means. */
export function faultReasonText(reason: number): FaultReasonText {
  const single = REASONS[reason];
  if (single !== undefined) return { subject: single[0], text: single[1] };
  const group = GROUPS.find(([first, last]) => reason >= first && reason <= last);
  return group === undefined ? { subject: 'unknown', text: 'a reason that is not in the table' } : { subject: group[2], text: group[3] };
}
