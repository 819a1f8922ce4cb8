/** Ctrl-C as a question that a loop over batches asks: stop here and print what was reached? */
import { setImmediate } from 'node:timers/promises';

/** Exit code of a command that was interrupted: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130;

/** Thrown where nothing has been reached that could be printed. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  /** @param message  what is there to show for it */
  constructor(message: string = 'nothing was reached yet') {
    super(message);
  }
}

const STOPPED: unique symbol = Symbol('stopped');

export class Interruption {
  private readonly controller: AbortController = new AbortController();
  private stop: (value: typeof STOPPED) => void = () => {};
  private readonly stopping: Promise<typeof STOPPED> = new Promise((resolve) => {
    this.stop = resolve;
  });

  /** Whether Ctrl-C was pressed. */
  get requested(): boolean {
    return this.signal.aborted;
  }

  /** The same for work that is done elsewhere. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  request(): void {
    this.controller.abort();
    this.stop(STOPPED);
  }

  /** Listens until the returned function is called; a second Ctrl-C ends the process at once. */
  listen(): () => void {
    const onSignal = (): void => {
      if (this.requested) process.exit(EXIT_INTERRUPTED);
      this.request();
    };
    process.on('SIGINT', onSignal);
    return () => process.off('SIGINT', onSignal);
  }

  /** Where a loop cannot wait for the event loop and has nothing to show. @throws Interrupted */
  check(): void {
    if (this.requested) throw new Interrupted();
  }

  /** Waits for work that has nothing to show before it is done. @throws Interrupted */
  async during<T>(work: Promise<T>): Promise<T> {
    const outcome = await Promise.race([work, this.stopping]);
    if (outcome === STOPPED) throw new Interrupted();
    return outcome;
  }

  /** The batches of a trace until Ctrl-C, also while the next one is being waited for. */
  async *until<T>(batches: AsyncGenerator<T, void, void>): AsyncGenerator<T, void, void> {
    while (true) {
      const next = await Promise.race([batches.next(), this.stopping]);
      if (next === STOPPED || next.done === true) return;
      yield next.value;
      // A signal is only noticed between turns of the event loop, and reading from memory makes none.
      await setImmediate();
      if (this.requested) return;
    }
  }
}
