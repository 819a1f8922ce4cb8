/** How the program behaves as a process: pipes that close, Ctrl-C. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { dmalab, SMALL_MACHINE, SMALL_TRACE, smallLines } from './dmalab.ts';

const PROGRAM = fileURLToPath(new URL('../packages/cli/bin/dmalab.js', import.meta.url));

describe('dmalab as a process', () => {
  it('ends quietly when its reader has seen enough', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'compare', SMALL_TRACE, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.stdout.destroy();
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(err).toBe('');
  });

  it('ends at once when it is interrupted while it waits for input', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'verify', '-', '--machine', SMALL_MACHINE], { stdio: ['pipe', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    // The first lines of a trace, and then neither more of it nor its end; the program needs a moment to listen.
    child.stdin.write(`${smallLines().slice(0, 100).join('\n')}\n`);
    setTimeout(() => child.kill('SIGINT'), 1500);
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    expect(err).toBe('INTERRUPTED  nothing was reached yet\n');
  });

  it('keeps its exit code for scripts', () => {
    expect(dmalab(['verify', SMALL_TRACE]).code).toBe(0);
    expect(dmalab(['--version']).out).toMatch(/^dmalab \d+\.\d+\.\d+\n$/);
  });
});
