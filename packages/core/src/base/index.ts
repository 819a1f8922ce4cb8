export * from './assert.ts';
export * from './bits.ts';
export * from './lab-error.ts';
export * from './observation.ts';
export * from './prng.ts';
export * from './state-arena.ts';
export * from './state-image.ts';
export * from './units.ts';
