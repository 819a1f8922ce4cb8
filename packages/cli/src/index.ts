export { runCommandLine } from './command-line.ts';
export { bytesText, countText, significantText } from './terminal/format.ts';
export { Terminal, type TerminalStream } from './terminal/terminal.ts';
