/** `dmalab profile list` and `dmalab profile show NAME|FILE`: what the operations of a machine cost, and how that is known. */
import { type CostProfile, PROFILE_FORMAT, PROFILE_VERSION } from 'dmalab-lab';
import { profileNames, readProfile } from 'dmalab-lab/node';
import { ExitCode } from '../exit-code.ts';
import { profileLines, profileListLines } from '../report/profile-report.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface ProfileOptions {
  readonly json?: boolean | undefined;
}

/** Lists the profiles that come along. @returns the exit code */
export function listProfiles(options: ProfileOptions, terminal: Terminal): number {
  const profiles = profileNames().map(readProfile);
  if (options.json === true) terminal.printJson(profiles.map(profileJson));
  else terminal.print(profileListLines(profiles, terminal.columns));
  return ExitCode.FINE;
}

/** Shows one profile, checked. @returns the exit code */
export function showProfile(nameOrFile: string, options: ProfileOptions, terminal: Terminal): number {
  const profile = readProfile(nameOrFile);
  if (options.json === true) terminal.printJson(profileJson(profile));
  else terminal.print(profileLines(profile, nameOrFile, terminal.columns));
  return ExitCode.FINE;
}

/** As in the file, so that what is printed can be changed and read again. */
function profileJson(profile: CostProfile): object {
  return { format: PROFILE_FORMAT, version: PROFILE_VERSION, ...profile };
}
