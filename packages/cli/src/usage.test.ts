import { describe, expect, it } from 'vitest';
import { nearest, shellWord, usageError } from './usage.ts';

describe('nearest', () => {
  it.each([
    ['verfy', 'verify'],
    ['comapre', 'compare'],
    ['VERIFY', 'verify'],
    ['comp', 'compare'],
    ['explain', undefined],
    ['x', undefined],
    ['', undefined],
  ])('%j is %j', (word, expected) => expect(nearest(word, ['compare', 'verify'])).toBe(expected));
});

describe('shellWord', () => {
  it('quotes what a shell would take apart', () => {
    expect(shellWord('dock.trace.gz')).toBe('dock.trace.gz');
    expect(shellWord("it's here.trace")).toBe("'it'\\''s here.trace'");
    expect(shellWord('$(x)')).toBe("'$(x)'");
  });
});

describe('usageError', () => {
  it('suggests where a name is near', () => {
    expect(usageError('USE001', 'No.', 'verfy', ['verify'], 'see help').next).toBe('did you mean verify? see help');
    expect(usageError('USE001', 'No.', 'other', ['verify'], 'see help').next).toBe('see help');
  });
});
