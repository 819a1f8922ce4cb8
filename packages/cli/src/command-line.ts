/** The verbs and their options; what they do is in `verbs/`. */
import { readFileSync } from 'node:fs';
import { Command, type CommanderError, Option } from 'commander';
import { LabError, policies } from 'dmalab-core';
import { ExitCode } from './exit-code.ts';
import { EXIT_INTERRUPTED, Interrupted, Interruption } from './interruption.ts';
import { sortKeys } from './report/policy-table.ts';
import { parseLineHandle, secondsText } from './terminal/format.ts';
import type { Terminal } from './terminal/terminal.ts';
import { wrapped } from './terminal/wrap.ts';
import { usageError } from './usage.ts';
import { type AttackVerbOptions, attack } from './verbs/attack.ts';
import { type BreakevenOptions, breakevenVerb } from './verbs/breakeven.ts';
import { type CheckVerbOptions, check } from './verbs/check.ts';
import { type CompareOptions, compare, LOADS } from './verbs/compare.ts';
import { type ExplainOptions, explain } from './verbs/explain.ts';
import { listProfiles, type ProfileOptions, showProfile } from './verbs/profile.ts';
import { type ReportOptions, report } from './verbs/report.ts';
import { type VerifyOptions, verify } from './verbs/verify.ts';

const EXIT_CODES = 'Exit codes: 0 fine, 1 a check failed, 2 wrong usage, 3 unreadable input, 130 interrupted.';
const TRACE = 'kernel trace as text, plain or gzip; - for standard input';
const MACHINE = 'machine description; default: X.machine.json beside X.trace.gz';
/** Codes of errors that lie in the input: trace, machine description, cost profile, a trace that has no calls. Others are wrong usage. */
const UNREADABLE = /^(TRC|MCH|CMP005|PRF(?!007)|RPT004)/;
/** Code of an error that lies in the machine this runs on. */
const THREAD_LOST = 'CMP006';
/** A person at a terminal is told how long the work took from here on; a pipe never is, so that its bytes repeat. */
const TOLD_SECONDS = 1;
/** Indentation of continuation lines of an error: under the texts after its labels. */
const ERROR_INDENT = 12;

/**
 * Runs one command.
 *
 * @param args  the words after the program's name
 * @returns the exit code
 */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const interruption = new Interruption();
  const release = interruption.listen();
  let exitCode: number = ExitCode.FINE;
  const program = commandProgram(terminal, interruption, (code) => {
    exitCode = code;
  });
  const startedMs = performance.now();
  try {
    await program.parseAsync([...args], { from: 'user' });
    const tookSeconds = (performance.now() - startedMs) / 1000;
    if (terminal.progressStream !== undefined && tookSeconds >= TOLD_SECONDS) terminal.remark([`took   ${secondsText(tookSeconds)}`]);
    return exitCode;
  } catch (error) {
    return failed(error, terminal);
  } finally {
    release();
  }
}

function commandProgram(terminal: Terminal, interruption: Interruption, done: (exitCode: number) => void): Command {
  const program = prepared(new Command('dmalab'), terminal);
  program
    .description('Replays a recorded DMA trace of a Linux machine through protection policies.')
    .usage('<verb> [options] TRACE')
    .commandsGroup('Verbs:')
    .version(`dmalab ${version()}`, '-V, --version', 'print the version')
    .helpCommand('help [verb]', 'help for a verb')
    .addHelpText('after', examples(['dmalab compare dock.trace.gz', 'dmalab verify dock.trace.gz --json']));

  prepared(program.command('compare'), terminal)
    .summary('count what each policy would have done on this trace')
    .description('Replays the calls of a trace under each policy and counts what it does: the first row is the machine as recorded.')
    .usage('[options] TRACE')
    .argument('<TRACE>', TRACE)
    .option('--machine <file>', MACHINE)
    .option('--device <list>', 'devices that get the policies: untrusted, all, or addresses like 01:00.0,02:00.0', 'all')
    .option(
      '--policy <list>',
      `policies to compare, of ${policies.map(({ name }) => name).join(', ')}, or files of your own (default: all of these)`,
    )
    .option('--pool <slots[,areas]>', 'size of the bounce pool in the what-if rows; a slot is 2 KiB')
    .option('--profile <name|file>', 'what operations cost; see dmalab profile list (default: vtd-bare)')
    .addOption(new Option('--load <load>', 'calls come as recorded, or also back to back on many CPUs').choices(LOADS).default('replay'))
    .option('--cpus <list>', 'numbers of CPUs for --load saturate (default: 1,2,4,8,16,32,64)')
    .addOption(new Option('--sort <key>', 'order of the rows in their group').choices(sortKeys).default('cost'))
    .option('--cost', 'where the CPU time of a pair goes')
    .option('--exposure', 'what the devices can read and write, by class of byte, and the worst findings')
    .option('--counts', 'what each policy did, in a table of counts')
    .option('--emulator-time', 'show times of recordings made on an emulator')
    .option('--by-device', 'a row for each device under each policy')
    .option('--sizes', 'mappings by size and alignment')
    .option('--figures', 'every figure, policies as columns')
    .option('--data', 'everything behind the DATA lines')
    .option('--json', 'one documented object instead of text')
    .addHelpText(
      'after',
      examples([
        'dmalab compare dock.trace.gz',
        'dmalab compare dock.trace.gz --device untrusted --by-device',
        'dmalab compare dock.trace.gz --policy bounce-strict --pool 1024,4',
        'dmalab compare dock.trace.gz --policy strict,./mine.js',
        'zcat dock.trace.gz | dmalab compare - --machine dock.machine.json',
      ]),
    )
    .action(async (trace: string, options: CompareOptions) => done(await compare(trace, options, terminal, interruption)));

  prepared(program.command('verify'), terminal)
    .summary('check that the model decides as the recorded kernel did')
    .description('Predicts what the kernel did for each recorded DMA call, and shows the first prediction that differs.')
    .usage('[options] TRACE')
    .argument('<TRACE>', TRACE)
    .option('--machine <file>', MACHINE)
    .option('--windows', 'list every window in which an order had to be chosen')
    .option('--differences', 'list every difference')
    .option('--at <line>', 'also show the trace around a line: L41,207 or 41207', readLine)
    .option('--data', 'everything behind the DATA lines')
    .option('--json', 'one documented object instead of text')
    .addHelpText(
      'after',
      examples(['dmalab verify dock.trace.gz', 'dmalab verify dock.trace.gz --at L41,207', 'dmalab verify - < dock.trace']),
    )
    .action(async (trace: string, options: VerifyOptions) => done(await verify(trace, options, terminal, interruption)));

  prepared(program.command('report'), terminal)
    .summary('one page with tables and plots, to attach to a mail or a bug')
    .description('Compares policies on a trace, checks the model against it, and writes all of it to one self-contained page.')
    .usage('[options] TRACE -o PAGE | PAGE --json')
    .argument('<TRACE>', 'kernel trace as text, plain or gzip; or a page of dmalab report, for its result')
    .option('-o, --output <file>', 'the page; a file that is there is replaced')
    .option('--machine <file>', MACHINE)
    .option('--device <list>', 'devices that get the policies: untrusted, all, or addresses like 01:00.0,02:00.0', 'all')
    .option('--policy <list>', 'policies to compare, or files of your own, as in dmalab compare')
    .option('--pool <slots[,areas]>', 'size of the bounce pool in the what-if rows; a slot is 2 KiB')
    .option('--profile <name|file>', 'what operations cost; see dmalab profile list (default: vtd-bare)')
    .option('--cpus <list>', 'numbers of CPUs of the saturate load (default: 1,2,4,8,16,32,64)')
    .option('--emulator-time', 'show times of recordings made on an emulator')
    .option('--no-verify', 'leave the check of the model against the recording out')
    .option('--json', 'the result object instead of a page, or beside it')
    .addHelpText(
      'after',
      examples([
        'dmalab report dock.trace.gz -o dock.html',
        'dmalab report dock.trace.gz -o dock.html --device untrusted --policy strict,bounce-strict',
        'dmalab report dock.html --json',
      ]),
    )
    .action(async (trace: string, options: ReportOptions) => done(await report(trace, options, version(), terminal, interruption)));

  prepared(program.command('explain'), terminal)
    .summary('tell the life of an address, or what a fault line means')
    .description('Who mapped an address, when it was unmapped and invalidated, and whether an access could have reached it.')
    .usage('[options] TRACE')
    .argument('<TRACE>', TRACE)
    .option('--iova <address>', 'an I/O address: 0xffef6000')
    .option('--fault <line>', 'a fault line of the kernel log, in quotes; - for a whole log on standard input')
    .option('--mapping <handle>', 'a mapping that an output named: m-1207')
    .option('--line <handle>', 'a line of the trace: L41,207 or 41207')
    .option('--device <address>', 'only the address space of this device: 02:00.0')
    .option('--time <seconds>', "moment on the trace's clock, instead of that of the fault line")
    .option('--machine <file>', MACHINE)
    .option('--all', 'list everything that is otherwise cut')
    .option('--data', 'everything behind the DATA lines')
    .option('--json', 'one documented object instead of text')
    .addHelpText(
      'after',
      examples([
        'dmalab explain dock.trace.gz --iova 0xffef6000 --time 26.268',
        "dmalab explain dock.trace.gz --fault 'DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0xffef6000 ...'",
        'dmesg | dmalab explain dock.trace.gz --fault -',
        'dmalab explain dock.trace.gz --mapping m-1207',
      ]),
    )
    .action(async (trace: string, options: ExplainOptions) => done(await explain(trace, options, terminal, interruption)));

  prepared(program.command('breakeven'), terminal)
    .summary('from which buffer size on another policy is cheaper')
    .description('Over the size of a buffer, which of some policies is cheapest and by how much, for all constants of a cost profile.')
    .usage('[options] [POLICY POLICY ...]')
    .argument('[POLICY...]', `two or more of ${policies.map(({ name }) => name).join(', ')} (default: bounce-partial bounce-deferred)`)
    .option('--profile <name|file>', 'what operations cost; see dmalab profile list (default: vtd-bare)')
    .option('--all-profiles', 'the limits under each profile that comes along, one line each')
    .option('--trace <trace>', `beside the sizes of a ${TRACE}`)
    .option('--machine <file>', MACHINE)
    .option('--by-device', 'with --trace: on which side of the limits the buffers of each device are')
    .option('--aligned', 'buffers that begin and end on a page boundary')
    .option('--start-aligned', 'buffers that begin on a page boundary')
    .option('--from-device', 'the device writes, so that copies are made at unmap')
    .option('--min-align-mask <mask>', 'low address bits that the device wants kept: 4095 for NVMe', readCount)
    .option('--cpus <count>', 'also with so many CPUs that share the invalidation queue and the pool', readCount)
    .option('--json', 'one documented object instead of text')
    .addHelpText(
      'after',
      examples([
        'dmalab breakeven',
        'dmalab breakeven strict bounce-deferred --profile smmuv3-server',
        'dmalab breakeven --trace dock.trace.gz --by-device',
        'dmalab breakeven --aligned --cpus 16',
      ]),
    )
    .action(async (names: string[], options: BreakevenOptions) => done(await breakevenVerb(names, options, terminal, interruption)));
  const profile = prepared(program.command('profile'), terminal)
    .summary('list and show cost profiles: what operations cost, and how that is known')
    .description('Cost profiles say what the operations of a machine cost: each constant with its range, its source and a grade.')
    .usage('list | show PROFILE')
    .commandsGroup('Verbs:')
    .helpCommand(false)
    .addHelpText('after', examples(['dmalab profile list', 'dmalab profile show vtd-bare', 'dmalab profile show my-machine.json --json']));
  prepared(profile.command('list'), terminal)
    .summary('the profiles that come along')
    .option('--json', 'all profiles as objects')
    .action((options: ProfileOptions) => done(listProfiles(options, terminal)));
  prepared(profile.command('show'), terminal)
    .summary('one profile, from those that come along or from a file')
    .usage('[options] PROFILE')
    .argument('<PROFILE>', 'a name from the list, or a file: a path, or a name that ends in .json')
    .option('--json', 'the profile as a file has it, sources included')
    .action((nameOrFile: string, options: ProfileOptions) => done(showProfile(nameOrFile, options, terminal)));
  prepared(program.command('attack'), terminal)
    .summary('play known attacks by DMA under each policy')
    .description('Plays known attacks as scripts on a modelled machine, and counts the bytes of others that the device reads or changes.')
    .usage('[options] [NAME]')
    .argument('[NAME]', 'one attack, by name or number: stale-read, A8; default: all of them in one table')
    .option('--policy <list>', `policies separated by commas, of ${policies.map(({ name }) => name).join(', ')} (default: all)`)
    .option('--kernel <rules>', 'kernel rules: 6.1 or 6.12', '6.12')
    .option('--json', 'one documented object instead of text')
    .addHelpText(
      'after',
      examples(['dmalab attack', 'dmalab attack stale-read --policy lazy,bounce-deferred', 'dmalab attack --kernel 6.1']),
    )
    .action((name: string | undefined, options: AttackVerbOptions) => done(attack(name, options, terminal)));
  prepared(program.command('check'), terminal)
    .summary('visit all states of small machines and look for broken properties')
    .description(
      'Explores every interleaving of CPUs, devices, invalidations and timers on small machines, with the engine that replays traces, and shows the fewest steps that break a property. Exit 1 only when a promised property breaks.',
    )
    .usage('[options] [POLICY] [PROPERTY]')
    .argument('[POLICY]', `policies separated by commas, of ${policies.map(({ name }) => name).join(', ')}, files of your own, or all`)
    .argument('[PROPERTY]', 'properties separated by commas, P1 to P6, or all')
    .option('--policy <list>', 'the same as POLICY')
    .option('--property <list>', 'the same as PROPERTY')
    .option('--kernel <rules>', 'kernel rules: 6.1 or 6.12 (default: 6.12)')
    .option('--bound <bound>', 'how far: quick, standard, or depth=N,states=N on the standard machines (default: quick)')
    .option('--export <file>', 'write the counterexample of one policy and property as a trace that dmalab explain reads')
    .option('--replay <file>', 'go through a counterexample again, as --json printed it')
    .option('--json', 'one documented object instead of text')
    .addHelpText(
      'after',
      examples(['dmalab check', 'dmalab check bounce-lazy-unsafe P3', 'dmalab check all P3 --bound standard', 'dmalab check ./mine.js']),
    )
    .action(async (policy: string | undefined, property: string | undefined, options: CheckVerbOptions) =>
      done(await check(policy, property, options, terminal, interruption)),
    );
  return program;
}

/** Help goes to the terminal, errors become exceptions that know their command. */
function prepared(command: Command, terminal: Terminal): Command {
  return command
    .exitOverride((error) => {
      throw new CommandRefusal(command, error);
    })
    .configureHelp({ helpWidth: terminal.columns, subcommandTerm: (verb) => verb.name() })
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd().split('\n')),
      writeErr: (text) => terminal.remark(text.trimEnd().split('\n')),
      outputError: () => {},
    })
    .helpOption('-h, --help', 'print this help');
}

class CommandRefusal extends Error {
  readonly command: Command;
  readonly refused: CommanderError;

  constructor(command: Command, refused: CommanderError) {
    super(refused.message);
    this.command = command;
    this.refused = refused;
  }
}

/** Prints what went wrong. @returns the exit code */
function failed(error: unknown, terminal: Terminal): number {
  if (error instanceof Interrupted) {
    terminal.remark([`INTERRUPTED  ${error.message}`]);
    return EXIT_INTERRUPTED;
  }
  if (error instanceof CommandRefusal) {
    const usage = refusalError(error);
    return usage === undefined ? helpExit(error.refused) : failed(usage, terminal);
  }
  if (error instanceof LabError) {
    terminal.remark(
      error
        .toText()
        .split('\n')
        .flatMap((line) => wrapped(line, terminal.columns, ERROR_INDENT)),
    );
    if (error.code === THREAD_LOST) return ExitCode.INTERNAL_ERROR;
    return UNREADABLE.test(error.code) ? ExitCode.UNREADABLE_INPUT : ExitCode.WRONG_USAGE;
  }
  throw error;
}

/** Help that was asked for is fine; help because no verb was given is not. */
function helpExit(refused: CommanderError): number {
  return refused.exitCode === 0 ? ExitCode.FINE : ExitCode.WRONG_USAGE;
}

function refusalError({ command, refused }: CommandRefusal): LabError | undefined {
  const name = commandName(command);
  const help = `see ${name} --help`;
  const argument = command.registeredArguments[0]?.name() ?? '';
  const word = /'([^']*)'/.exec(refused.message)?.[1] ?? '';
  switch (refused.code) {
    case 'commander.unknownCommand':
      return usageError('USE001', 'There is no such verb.', word, verbsOf(command), help);
    case 'commander.unknownOption':
      return usageError('USE002', 'There is no such option.', word, optionsOf(command), help);
    case 'commander.missingArgument':
      return usageError('USE003', `The ${argument.toLowerCase()} is missing.`, 'no argument', `${name} ${argument}`, help);
    case 'commander.optionMissingArgument':
      return usageError('USE004', 'An option lacks its value.', word.replace(/^.*(?=--)/, ''), 'a value after the option', help);
    case 'commander.excessArguments':
      return usageError(
        'USE005',
        'There are too many arguments.',
        `${/got (\d+)/.exec(refused.message)?.[1] ?? 'several'} arguments`,
        `${name} ${argument}`.trim(),
        help,
      );
    default:
      return undefined;
  }
}

function commandName(command: Command): string {
  return command.parent === null ? command.name() : `${commandName(command.parent)} ${command.name()}`;
}

function verbsOf(command: Command): string[] {
  return command.commands.map((verb) => verb.name());
}

function optionsOf(command: Command): string[] {
  return [...command.options.map((option) => option.long ?? option.flags), '--help'];
}

function readLine(text: string): number {
  const line = parseLineHandle(text);
  if (line === undefined)
    throw usageError('USE006', 'This is no line of a trace.', text, 'a line number like L41,207 or 41207', 'take one that verify printed');
  return line;
}

function readCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usageError('USE007', 'This is no whole number.', text, 'digits alone', 'write it like 16 or 4095');
}

function examples(lines: readonly string[]): string {
  return ['', 'Examples:', ...lines.map((line) => `  ${line}`), '', EXIT_CODES].join('\n');
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
}
