export * from './machine.ts';
export * from './parameters.ts';
export * from './pc.ts';
