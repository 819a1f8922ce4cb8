import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Starts a thread. Results alone go to standard output; what a policy file prints there does not. */
export function startThread(name: 'check-thread' | 'compare-thread', task: object, options: WorkerOptions = {}): Worker {
  const worker = new Worker(threadModule(name), { ...options, workerData: task, stdout: true });
  worker.stdout.pipe(process.stderr, { end: false });
  return worker;
}

/** The module that a thread runs: compiled as this one is, or its source when this is source. */
function threadModule(name: string): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL(`./${name}.js`, import.meta.url);
  const source = new URL(`./${name}.ts`, import.meta.url).href;
  // Sources are run through tsx, which on Node 20 leaves threads alone unless it is told in each.
  const tsx = import.meta.resolve('tsx/esm/api');
  const text = `import { register } from ${JSON.stringify(tsx)}; register(); await import(${JSON.stringify(source)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}
