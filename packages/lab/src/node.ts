/** What needs Node: files and standard input. Everything else of this package also runs in a browser. */
export * from './cost/read-profile.ts';
export * from './replay/open-recording.ts';
