export * from './accounting-memory.ts';
export * from './byte-memory.ts';
export * from './frame-store.ts';
export * from './label-memory.ts';
export * from './memory.ts';
