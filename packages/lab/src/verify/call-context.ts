import type { DmaApi } from 'dmalab-core';
import type { TraceNames } from 'dmalab-trace';
import type { CallAssembler } from '../replay/call-assembler.ts';
import type { RecordedMachine } from '../replay/recorded-machine.ts';
import { KnownState } from './known-state.ts';
import { VerifyContext } from './verify-context.ts';
import type { VerifyScope } from './verify-scope.ts';

/** What the parts of the verifier of calls share. */
export class CallContext extends VerifyContext {
  readonly assembler: CallAssembler;
  readonly dma: DmaApi;
  readonly known: KnownState;

  constructor(recorded: RecordedMachine, names: TraceNames, scope: VerifyScope, assembler: CallAssembler) {
    super(recorded, names, scope, assembler.lines);
    this.assembler = assembler;
    this.dma = this.machine.dma;
    this.known = new KnownState(this.machine, scope, this.checks);
  }
}
