/** What needs Node: files and standard input. Everything else of this package also runs in a browser. */
export * from './cost/read-profile.ts';
export * from './replay/open-recording.ts';
export { isPolicyFile } from './user-policy/load-policy-file.ts';
export * from './workers/check-on-threads.ts';
export * from './workers/compare-on-threads.ts';
