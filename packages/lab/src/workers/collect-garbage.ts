import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of typed arrays in this thread from which on it is worth a pause to give back those that nobody holds. */
const WORTH_BYTES = 100e6;

let collect: (() => void) | undefined;

/** Gives the memory of large machines back at once; left alone, several of them pile up before the collector looks. */
export function collectGarbage(): void {
  if (process.memoryUsage().arrayBuffers <= WORTH_BYTES) return;
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
