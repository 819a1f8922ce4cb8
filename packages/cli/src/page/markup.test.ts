import { describe, expect, it } from 'vitest';
import { element, fragment, jsonElement } from './markup.ts';

describe('markup', () => {
  it('escapes text and attributes, and leaves markup alone', () => {
    const inner = element('b', {}, 'a < b & "c"');
    expect(element('p', { title: `'"><x>` }, inner, 3, undefined, ['d', inner]).text).toBe(
      '<p title="&#39;&quot;&gt;&lt;x&gt;"><b>a &lt; b &amp; &quot;c&quot;</b>3d<b>a &lt; b &amp; &quot;c&quot;</b></p>',
    );
  });

  it('shows bytes that would do something', () => {
    expect(fragment('\u001b]0;x\u0007 \u202e \u00e9').text).toBe('\\x1b]0;x\\x07 \\u{202e} \\xe9');
  });

  it('leaves out attributes without a value or with a name that is none', () => {
    expect(element('i', { a: undefined, 'b onload': 'x', c: 0 }).text).toBe('<i c="0"></i>');
  });

  it('keeps JSON inside its element, and JSON', () => {
    const value = { text: '</script><!-- & \u2028 \u00e9' };
    const { text } = jsonElement('x', JSON.stringify(value));
    expect(text.match(/</g)).toHaveLength(2);
    expect(text).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(/>(.*)</.exec(text)![1]!)).toEqual(value);
  });
});
