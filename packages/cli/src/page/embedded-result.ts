/** The result object inside a page, and out of it again. */
import { LabError } from 'dmalab-core';
import { asciiText } from '../terminal/ascii.ts';
import { jsonElement, type Markup } from './markup.ts';
import type { ReportResult } from './report-result.ts';
import { parseSharedJson, sharedJson } from './shared-values.ts';

const ELEMENT_ID = 'dmalab-report';
const OPENING = `<script type="application/json" id="${ELEMENT_ID}">`;
const CLOSING = '</script>';

export function embeddedResult(result: ReportResult): Markup {
  return jsonElement(ELEMENT_ID, sharedJson(result));
}

/**
 * The object that a page carries, as it was put in.
 *
 * @throws LabError RPT004 when the page carries none
 */
export function resultInside(page: string, file: string): unknown {
  const start = page.lastIndexOf(OPENING);
  const end = page.indexOf(CLOSING, start);
  if (start >= 0 && end > start) {
    try {
      const value = parseSharedJson(page.slice(start + OPENING.length, end));
      if (value !== undefined) return value;
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    }
  }
  throw new LabError({
    code: 'RPT004',
    message: 'The page carries no result of a report.',
    file: asciiText(file),
    expected: 'a page that dmalab report has made, whole',
    got: 'other HTML, or a page that was changed or cut',
    next: 'make it again from the trace: dmalab report TRACE -o PAGE.html',
  });
}
