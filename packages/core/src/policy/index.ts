export * from './bounce-strict.ts';
export * from './lazy.ts';
export * from './passthrough.ts';
export * from './policies.ts';
export * from './strict.ts';
