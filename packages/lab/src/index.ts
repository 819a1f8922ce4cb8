export * from './replay/call-assembler.ts';
export * from './replay/recorded-machine.ts';
export * from './verify/verifier.ts';
