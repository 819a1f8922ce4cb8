export { runCommandLine } from './command-line.ts';
export { Terminal, type TerminalStream } from './terminal/terminal.ts';
