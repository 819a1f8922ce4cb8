/** A mapping made on memory that a cleared, not yet invalidated entry reaches. Lines of the trace, 0 for unknown. */
export interface ReuseUnderStale {
  /** Device whose entry it is, and device of the later mapping. */
  readonly device: number;
  readonly byDevice: number;
  /** Newest call that unmapped the page for the first device. */
  readonly unmapLine: number;
  /** Call that made the later mapping. */
  readonly mapLine: number;
  readonly pageAddress: number;
  readonly timeNs: number;
}

/** Later mappings under stale entries: counted for each device whose entries they are, the first ones kept. */
export class ReuseLog {
  readonly first: ReuseUnderStale[] = [];
  /** By device: later mappings of the device itself and of others, and bytes of them on pages that it still reaches. */
  readonly sameDevice: Float64Array;
  readonly sameDeviceBytes: Float64Array;
  readonly otherDevice: Float64Array;
  readonly otherDeviceBytes: Float64Array;
  private readonly kept: number;
  /** By device: the mapping that was counted last, since a mapping counts once. */
  private readonly counted: Float64Array;
  private mappings = 0;

  /** @param kept  most entries of `first` */
  constructor(devices: number, kept: number) {
    this.kept = kept;
    this.sameDevice = new Float64Array(devices);
    this.sameDeviceBytes = new Float64Array(devices);
    this.otherDevice = new Float64Array(devices);
    this.otherDeviceBytes = new Float64Array(devices);
    this.counted = new Float64Array(devices);
  }

  /** What is added from here on belongs to another mapping. */
  beginMapping(): void {
    this.mappings += 1;
  }

  add(device: number, byDevice: number, bytes: number, unmapLine: number, mapLine: number, pageAddress: number, timeNs: number): void {
    const isSame = device === byDevice;
    (isSame ? this.sameDeviceBytes : this.otherDeviceBytes)[device] += bytes;
    if (this.counted[device] === this.mappings) return;
    this.counted[device] = this.mappings;
    (isSame ? this.sameDevice : this.otherDevice)[device] += 1;
    if (this.first.length < this.kept) this.first.push({ device, byDevice, unmapLine, mapLine, pageAddress, timeNs });
  }
}
