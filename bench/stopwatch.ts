const MS_PER_S = 1000;
const US_PER_S = 1e6;

/**
 * Time since it was made, on a machine that others use as well: elapsed time or, where that is less, the CPU time of this
 * process, which does not count how long it had to wait for a CPU. Single-threaded work never takes less than either.
 */
export class Stopwatch {
  private readonly startedMs: number = performance.now();
  private readonly startedCpu: NodeJS.CpuUsage = process.cpuUsage();

  get seconds(): number {
    const elapsed = (performance.now() - this.startedMs) / MS_PER_S;
    const { user, system } = process.cpuUsage(this.startedCpu);
    const cpu = (user + system) / US_PER_S;
    // The kernel counts CPU time in steps; a very short time may not have been counted at all.
    return cpu > 0 ? Math.min(elapsed, cpu) : elapsed;
  }
}
