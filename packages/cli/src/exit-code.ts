/** What a command tells the shell. */
export const ExitCode = {
  FINE: 0,
  CHECK_FAILED: 1,
  WRONG_USAGE: 2,
  UNREADABLE_INPUT: 3,
  /** EX_SOFTWARE of sysexits: a bug in dmalab. */
  INTERNAL_ERROR: 70,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
