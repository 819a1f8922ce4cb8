import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asciiText, clipped } from './ascii.ts';
import { labelled, wrapped } from './wrap.ts';

describe('wrapped', () => {
  it('breaks at blanks and indents', () => {
    expect(wrapped('one two three four', 9, 2)).toEqual(['one two', '  three', '  four']);
    expect(labelled('next', 'dmalab verify dock', 20)).toEqual(['next   dmalab verify', '       dock']);
  });

  it('keeps every character but blanks, within the width', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'bc', ' ', 'defghijkl'), maxLength: 60 }),
        fc.integer({ min: 12, max: 40 }),
        (text, width) => {
          const lines = wrapped(text, width, 4);
          for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
          expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
        },
      ),
      { seed: 11, numRuns: 1000 },
    );
  });
});

describe('asciiText', () => {
  it('makes escapes visible', () => {
    expect(asciiText('\u001b]0;x\u0007<img>\u202e\u{1f600}é')).toBe('\\x1b]0;x\\x07<img>\\u{202e}\\u{1f600}\\xe9');
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        const once = asciiText(text);
        expect(once).toMatch(/^[\x20-\x7e]*$/);
        expect(asciiText(once)).toBe(once);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('shows where a text was cut', () => {
    expect(clipped('0123456789', 8)).toBe('01234...');
    expect(clipped('01234567', 8)).toBe('01234567');
  });
});
