/** The parts of a page that a program writes: `<!-- table: NAME -->`, an empty line, the table, an empty line, `<!-- end -->`. */

const BLOCK = /<!-- table: ([\w.-]+) -->\n([\s\S]*?)<!-- end -->/g;

/** A part of a page. */
export interface MarkedBlock {
  readonly name: string;
  /** Without the empty lines around it. */
  readonly text: string;
}

/** All blocks, in the order of the page. */
export function markedBlocks(page: string): MarkedBlock[] {
  return [...page.matchAll(BLOCK)].map(([, name, text]) => ({ name: name!, text: text!.trim() }));
}

/** The page with the blocks that `texts` has replaced; the others stay as they are. */
export function withBlocks(page: string, texts: ReadonlyMap<string, string>): string {
  return page.replace(BLOCK, (block, name: string) => {
    const text = texts.get(name);
    return text === undefined ? block : `<!-- table: ${name} -->\n\n${text}\n\n<!-- end -->`;
  });
}
