/** The program `dmalab`: wires one command to the process. */
import { runCommandLine } from './command-line.ts';
import { ExitCode } from './exit-code.ts';
import { asciiText } from './terminal/ascii.ts';
import { Terminal } from './terminal/terminal.ts';

// A reader that has seen enough (`dmalab ... | head`) is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

try {
  process.exitCode = await runCommandLine(process.argv.slice(2), new Terminal(process.stdout, process.stderr, process.env));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const debug = (process.env.DMALAB_DEBUG ?? '') !== '';
  const stack = debug && error instanceof Error ? `\n${error.stack}` : '';
  process.stderr.write(`DMA999 internal error: ${asciiText(message)}; please report it (DMALAB_DEBUG=1 shows where)${stack}\n`);
  process.exitCode = ExitCode.INTERNAL_ERROR;
}
// An input that was not read to its end must not keep the process waiting.
if (process.argv.includes('-')) process.stdin.destroy();
