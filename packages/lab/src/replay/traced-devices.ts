import type { TraceNames } from 'dmalab-trace';
import type { RecordedMachine } from './recorded-machine.ts';

/** Devices of the trace, and which of the machine's each is. */
export class TracedDevices {
  private readonly recorded: RecordedMachine;
  private readonly names: TraceNames;
  /** Machine device of a trace device, -1 unknown, -2 not looked up yet. */
  private readonly indexes: number[] = [];

  constructor(recorded: RecordedMachine, names: TraceNames) {
    this.recorded = recorded;
    this.names = names;
  }

  /** Machine device of trace device `device`, -1 when the machine does not have it or the line names none. */
  indexOf(device: number): number {
    if (device < 0) return -1;
    const { indexes } = this;
    while (indexes.length <= device) indexes.push(-2);
    if (indexes[device] === -2) indexes[device] = this.recorded.deviceByName.get(this.nameOf(device)) ?? -1;
    return indexes[device];
  }

  /** Its name, empty when the line names none. */
  nameOf(device: number): string {
    return device < 0 ? '' : this.names.devices.nameOf(device);
  }
}
