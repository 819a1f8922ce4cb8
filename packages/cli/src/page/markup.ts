/**
 * HTML and SVG as text. Whatever is no markup is escaped here and nowhere else: no other file of the page puts a tag together.
 *
 * Texts of a trace (task names, device names, file names) may hold tags, escape sequences and marks that turn the reading
 * direction round; all of that stays visible and does nothing, and the page is ASCII.
 */
import { asciiText } from '../terminal/ascii.ts';

const IS_MARKUP: unique symbol = Symbol('markup');

/** Text that is safe to be put into a page as it is; only this file makes it. */
export interface Markup {
  readonly [IS_MARKUP]: true;
  readonly text: string;
}

/** What can stand inside an element; undefined stands for nothing. */
export type Content = Markup | string | number | undefined | readonly Content[];

/** Undefined leaves an attribute out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const VOID_ELEMENTS: ReadonlySet<string> = new Set(['meta', 'br', 'col']);
const NAME = /^[a-zA-Z][a-zA-Z0-9-]*$/;
/** Digits behind the point of a coordinate: a tenth of a pixel. */
const COORDINATE_DIGITS = 1;

/** An element with its content escaped. */
export function element(name: string, attributes: Attributes = {}, ...content: readonly Content[]): Markup {
  const opened = `<${name}${attributesText(attributes)}>`;
  return markup(VOID_ELEMENTS.has(name) ? opened : `${opened}${contentText(content)}</${name}>`);
}

/** Several pieces as one. */
export function fragment(...content: readonly Content[]): Markup {
  return markup(contentText(content));
}

/** A whole page. */
export function pageText(head: Markup, body: Markup): string {
  return `<!doctype html>\n<html lang="en">\n${head.text}\n${body.text}\n</html>\n`;
}

/** Rules of the page's own; they hold no text of a trace. */
export function styleElement(css: string): Markup {
  return markup(`<style>\n${css}</style>`);
}

/** JSON for programs; it cannot end its element, and is ASCII. */
export function jsonElement(id: string, json: string): Markup {
  const safe = json.replace(/[<>&]|[^\x20-\x7e]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return markup(`<script type="application/json"${attributesText({ id })}>${safe}</script>`);
}

/** A coordinate, short. */
export function at(value: number): string {
  return String(Number(value.toFixed(COORDINATE_DIGITS)));
}

function markup(text: string): Markup {
  return { [IS_MARKUP]: true, text };
}

function contentText(content: readonly Content[]): string {
  return content.map((part) => partText(part)).join('');
}

function partText(part: Content): string {
  if (part === undefined) return '';
  if (typeof part === 'string') return escaped(part);
  if (typeof part === 'number') return String(part);
  return isMarkup(part) ? part.text : contentText(part);
}

function isMarkup(part: Markup | readonly Content[]): part is Markup {
  return IS_MARKUP in part;
}

function attributesText(attributes: Attributes): string {
  return Object.entries(attributes)
    .filter(([name, value]) => value !== undefined && NAME.test(name))
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

function escaped(text: string): string {
  return asciiText(text).replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);
}
