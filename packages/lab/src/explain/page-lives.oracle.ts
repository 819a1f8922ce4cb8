/** The lives of a page by reading the text of a trace line by line, for traces whose calls do not overlap. Slow and obvious. */

/** What a line and the lines around it say of a page of one device. */
export interface PlainLife {
  readonly number: number;
  readonly mapLine: number;
  /** Line of the unmap or free, 0 while mapped. */
  unmapLine: number;
  /** Line of the first flush of the domain behind the cleared entry that covers the page, 0 for none. */
  flushLine: number;
}

const PAGE = 4096;
const PSI = 0xf2n;
const DSI = 0xe2n;

interface Live {
  readonly start: number;
  readonly bytes: number;
  readonly key: string;
  readonly life: PlainLife | null;
}

/** Lives of page `page` of device `device`, whose domain has the id `did`. */
export function plainLives(text: string, device: string, page: number, did: number): PlainLife[] {
  const lines = text.split('\n');
  const lives: PlainLife[] = [];
  const live: Live[] = [];
  let number = 0;
  lines.forEach((line, index) => {
    const map = /: (dma_map_page|dma_map_resource|dma_alloc|dma_map_sg): (\S+) /.exec(line);
    if (map !== null) {
      const isAlloc = map[1] === 'dma_alloc';
      const segments = map[1] === 'dma_map_sg' ? pairs(line) : [single(line)];
      if (segments.length === 0 || segments[0].start === 2 ** 64 || (isAlloc && segments[0].start === 0)) return;
      number += 1;
      if (map[2] !== device) return;
      const hit = segments.find(({ start, bytes }) => touches(start, bytes, page));
      const life = hit === undefined ? null : { number, mapLine: index + 1, unmapLine: 0, flushLine: 0 };
      if (life !== null) lives.push(life);
      live.push({ ...segments[0], key: list(line, 'phys_addrs'), life });
      return;
    }
    const unmap = /: (dma_unmap_page|dma_unmap_resource|dma_free|dma_unmap_sg): (\S+) /.exec(line);
    if (unmap === null || unmap[2] !== device) return;
    const isList = unmap[1] === 'dma_unmap_sg';
    const phys = list(line, 'phys_addrs');
    const at = live.findLastIndex((mapping) =>
      isList ? mapping.key === phys : mapping.key === '' && mapping.start === single(line).start,
    );
    const [ended] = live.splice(at, 1);
    if (ended.life === null) return;
    ended.life.unmapLine = index + 1;
    ended.life.flushLine = flushAfter(lines, clearedAt(lines, index, page, isList || unmap[1] === 'dma_free'), page, did);
  });
  return lives;
}

/** Index of the line that clears the page's entry: behind the API line of lists and frees, before it otherwise. */
function clearedAt(lines: readonly string[], api: number, page: number, apiFirst: boolean): number {
  const clears = (line: string): boolean => {
    const range = /: unmap: IOMMU: iova=0x([0-9a-f]+) - 0x([0-9a-f]+) /.exec(line);
    return range !== null && Number.parseInt(range[1], 16) <= page && page < Number.parseInt(range[2], 16);
  };
  for (let index = api; index >= 0 && index < lines.length; index += apiFirst ? 1 : -1) if (clears(lines[index])) return index;
  return -1;
}

function flushAfter(lines: readonly string[], cleared: number, page: number, did: number): number {
  if (cleared < 0) return 0;
  for (let index = cleared + 1; index < lines.length; index++) {
    const words = /: qi_submit: iotlb_inv dmar0: 0x([0-9a-f]+) 0x([0-9a-f]+) /.exec(lines[index]);
    if (words === null) continue;
    const [kind, address] = [BigInt(`0x${words[1]}`), BigInt(`0x${words[2]}`)];
    if (kind >> 16n !== BigInt(did)) continue;
    const bytes = 4096n << (address & 0x3fn);
    const start = (address / bytes) * bytes;
    if ((kind & 0xffn) === DSI || ((kind & 0xffn) === PSI && BigInt(page) >= start && BigInt(page) < start + bytes)) return index + 1;
  }
  return 0;
}

function touches(start: number, bytes: number, page: number): boolean {
  return start < page + PAGE && start + bytes > page;
}

function single(line: string): { start: number; bytes: number } {
  return { start: Number.parseInt(/dma_addr=([0-9a-f]+)/.exec(line)?.[1] ?? '', 16), bytes: Number(/ size=(\d+)/.exec(line)?.[1]) };
}

function pairs(line: string): { start: number; bytes: number }[] {
  const starts = list(line, 'dma_addrs').split(',');
  const sizes = list(line, 'sizes').split(',');
  return starts.filter((start) => start !== '').map((start, index) => ({ start: Number(start), bytes: Number(sizes[index]) }));
}

function list(line: string, name: string): string {
  return new RegExp(` ${name}=\\{([^}]*)\\}`).exec(line)?.[1] ?? '';
}
