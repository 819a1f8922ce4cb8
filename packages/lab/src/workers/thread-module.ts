/** The module that a thread runs: compiled as this one is, or its source when this is source. */
export function threadModule(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./compare-thread.js', import.meta.url);
  const source = new URL('./compare-thread.ts', import.meta.url).href;
  // Sources are run through tsx, which on Node 20 leaves threads alone unless it is told in each.
  const tsx = import.meta.resolve('tsx/esm/api');
  const text = `import { register } from ${JSON.stringify(tsx)}; register(); await import(${JSON.stringify(source)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}
