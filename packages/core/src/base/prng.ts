/**
 * Seeded random numbers, the only source of chance in dmalab: the same seed gives the same bytes everywhere.
 *
 * sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, integers only, so no platform can differ in a float.
 */
export class Prng {
  private a = 0;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number) {
    this.b = seed >>> 0;
    this.c = Math.floor(seed / 2 ** 32) >>> 0;
    for (let i = 0; i < 12; i++) this.next32();
  }

  /** Uniform over 0 to 2^32 - 1. */
  next32(): number {
    const result = (this.a + this.b + this.counter++) >>> 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) | 0;
    return result;
  }

  /** Uniform over 0 to `bound` - 1; `bound` is 1 to 2^32. */
  below(bound: number): number {
    return Math.floor((this.next32() / 2 ** 32) * bound);
  }

  /** True with probability `numerator / denominator`. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }
}
