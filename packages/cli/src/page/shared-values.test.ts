import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSharedJson, sharedJson } from './shared-values.ts';

describe('shared values', () => {
  it('write what is the same once', () => {
    const zero = { value: 0, unit: 'bytes', basis: 'replay' };
    const text = sharedJson({ a: zero, b: [zero, zero], c: { d: zero } });
    expect(text).toBe(
      '{"shared":[{"value":0,"unit":"bytes","basis":"replay"}],"value":{"a":{"$":0},"b":[{"$":0},{"$":0}],"c":{"d":{"$":0}}}}',
    );
  });

  it('come back as they were', () => {
    const value = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(0, 1, 'a text that is long enough to be shared', null, true),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom('a', 'b', 'long-name', '$$'), tie('tree'), { maxKeys: 4 }),
      ),
    })).tree;
    fc.assert(
      fc.property(value, (tree) => {
        const plain: unknown = JSON.parse(JSON.stringify({ once: tree, twice: [tree, tree] }));
        expect(parseSharedJson(sharedJson(plain))).toEqual(plain);
      }),
    );
  });

  it('are nothing else', () => {
    expect(parseSharedJson('{"value":1}')).toBeUndefined();
    expect(parseSharedJson('[]')).toBeUndefined();
  });
});
