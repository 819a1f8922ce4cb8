import { ContextLevel } from 'dmalab-trace';
import { describe, expect, it } from 'vitest';
import { ContextTable } from './context-table.ts';

/** Goal: lines in program order, and only those, share a context. */
describe('ContextTable', () => {
  it('a task is one context wherever it runs', () => {
    const table = new ContextTable();
    expect(table.numberOf(10, 0, ContextLevel.TASK)).toBe(table.numberOf(10, 3, ContextLevel.TASK));
    expect(table.numberOf(11, 0, ContextLevel.TASK)).not.toBe(table.numberOf(10, 0, ContextLevel.TASK));
  });

  it('idle tasks and interrupt levels are one context per CPU, whoever they interrupted', () => {
    const table = new ContextTable();
    const idle = table.numberOf(0, 0, ContextLevel.TASK);
    const softirq = table.numberOf(10, 0, ContextLevel.SOFTIRQ);
    expect(table.numberOf(0, 1, ContextLevel.TASK)).not.toBe(idle);
    expect(table.numberOf(0, 0, ContextLevel.SOFTIRQ)).toBe(softirq);
    expect(table.numberOf(11, 0, ContextLevel.SOFTIRQ)).toBe(softirq);
    expect(new Set([idle, softirq, table.numberOf(0, 0, ContextLevel.HARDIRQ), table.numberOf(0, 0, ContextLevel.NMI)]).size).toBe(4);
    expect(table.numberOf(0, 1, ContextLevel.SOFTIRQ)).not.toBe(softirq);
  });

  it('numbers contexts from 0 and keeps their newest lines when it grows', () => {
    const table = new ContextTable();
    for (let pid = 1; pid <= 300; pid++) {
      const context = table.numberOf(pid, 0, ContextLevel.TASK);
      expect(context).toBe(pid - 1);
      expect(table.lastSeq[context]).toBe(-1);
      table.lastSeq[context] = pid * 7;
    }
    expect(table.count).toBe(300);
    for (let pid = 1; pid <= 300; pid++) expect(table.lastSeq[table.numberOf(pid, 0, ContextLevel.TASK)]).toBe(pid * 7);
  });
});
