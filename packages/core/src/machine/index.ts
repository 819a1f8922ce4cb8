export * from './machine.ts';
export * from './parameters.ts';
