export * from './compare/compare.ts';
export type { CompareOptions } from './compare/compare-options.ts';
export * from './compare/compare-result.ts';
export * from './replay/call-assembler.ts';
export * from './replay/recorded-machine.ts';
export * from './replay/recording.ts';
export * from './replay/recording-facts.ts';
export * from './verify/verify.ts';
export * from './verify/verify-result.ts';
