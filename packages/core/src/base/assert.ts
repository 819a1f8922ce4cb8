/** A bug in dmalab itself; wrong input is a LabError, a modelled outcome is a value. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Stops at a broken invariant of our own code. Always on; `message` says which invariant. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}
