/** Ctrl-C as a question that a loop over batches asks: stop here and print what was reached? */
import { setImmediate } from 'node:timers/promises';

/** Exit code of a command that was interrupted: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130;

/** Thrown where nothing has been reached that could be printed. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export class Interruption {
  requested = false;

  /** Listens until `release`; a second Ctrl-C ends the process at once. */
  listen(): () => void {
    const onSignal = (): void => {
      if (this.requested) process.exit(EXIT_INTERRUPTED);
      this.requested = true;
    };
    process.on('SIGINT', onSignal);
    return () => process.off('SIGINT', onSignal);
  }

  /** Lets a waiting signal in: the handler runs only between turns of the event loop. */
  async breathe(): Promise<boolean> {
    await setImmediate();
    return this.requested;
  }

  /** Where a loop cannot wait for the event loop and has nothing to show. @throws Interrupted */
  check(): void {
    if (this.requested) throw new Interrupted('interrupted');
  }

  /** The batches of a trace until Ctrl-C. */
  async *until<T>(batches: AsyncIterable<T>): AsyncGenerator<T, void, void> {
    for await (const batch of batches) {
      yield batch;
      if (await this.breathe()) return;
    }
  }
}
