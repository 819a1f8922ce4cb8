import { describe, expect, it } from 'vitest';
import { ProgressBar, progressText } from './progress.ts';

describe('progressText', () => {
  it('tells bytes, events and the time left', () => {
    expect(progressText('verify', { bytesRead: 12.3e6, totalBytes: 36.9e6, events: 412000 }, 2)).toBe(
      'verify   33 % [######..............] 12.3 of 36.9 MB, 412,000 events, 4 s left',
    );
  });

  it('knows no end for a pipe', () => {
    expect(progressText('verify', { bytesRead: 5e5, totalBytes: undefined, events: 7 }, 2)).toBe('verify  0.5 MB, 7 events');
  });
});

describe('ProgressBar', () => {
  const progress = { bytesRead: 1, totalBytes: 2, events: 3 };

  function drawn(times: readonly number[]): string[] {
    const texts: string[] = [];
    const stream = { isTTY: true, columns: 50, write: (text: string) => texts.push(text) > 0 };
    let nowMs = 0;
    const bar = new ProgressBar(stream, () => nowMs);
    for (const time of times) {
      nowMs = time;
      bar.show('verify', progress);
    }
    bar.clear();
    return texts;
  }

  it('appears within the first second, not at once, and redraws ten times a second at most', () => {
    expect(drawn([10, 700])).toEqual([]);
    expect(drawn([810, 850, 905, 915])).toHaveLength(3);
  });

  it('stays within one line and clears it', () => {
    const texts = drawn([900]);
    expect(texts[0]!.replace('\r\u001b[K', '').length).toBeLessThan(50);
    expect(texts.at(-1)).toBe('\r\u001b[K');
  });
});
