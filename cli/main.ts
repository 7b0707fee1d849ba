#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../engine/errors';
import { type Command, UsageError } from './command';

const PROGRAM = 'streamdiffusion';

/** Loaded when they are called for: a command that lists files needs no picture codec. */
const COMMANDS: Record<string, () => Command> = {
  'models pull': () => (require('./models/pull') as { pull: Command }).pull,
  'models list': () => (require('./models/list') as { list: Command }).list,
  'models check': () => (require('./models/check') as { check: Command }).check,
  'models repository': () => (require('./models/repository/command') as { repository: Command }).repository,
  'providers check': () => (require('./providers/check') as { check: Command }).check,
  'providers install': () => (require('./providers/install') as { install: Command }).install,
  run: () => (require('./run/command') as { run: Command }).run,
};

const HELP = `Usage: ${PROGRAM} COMMAND

Diffusion models on pictures and videos, and the models for it.

Commands:
  run                repaint a folder of pictures or a video
  models pull        download a model from Hugging Face
  models list        show the models on this machine, and some to begin with
  models check       say what a model folder contains and what is wrong with it
  models repository  write a model folder's nets for an inference server (NVIDIA Triton)
  providers check    say which execution providers work here, and what CUDA lacks
  providers install  put ONNX Runtime's files for CUDA in place

Options:
  --help, -h         help; "${PROGRAM} COMMAND --help" explains a command
  --version, -v      the version`;

async function main(args: string[]): Promise<number> {
  const [first] = args;
  if (first === '--version' || first === '-v') return print(version());
  if (first === '--help' || first === '-h' || first === 'help') return print(HELP);
  const name = Object.keys(COMMANDS).find((known) => known.split(' ').every((word, i) => args[i] === word));
  if (!name) {
    const isGroup = first === 'models' || first === 'providers';
    if (isGroup && ['--help', '-h', undefined].includes(args[1])) return print(HELP);
    throw new UsageError(first === undefined ? 'no command' : `there is no command "${args.slice(0, isGroup ? 2 : 1).join(' ')}"`);
  }
  const command = COMMANDS[name]();
  const rest = args.slice(name.split(' ').length);
  if (rest.includes('--help') || rest.includes('-h')) return print(command.help);
  return command.run(rest, interruption());
}

function print(text: string): number {
  console.log(text);
  return 0;
}

/** dist/cli lies two folders below the package. */
function version(): string {
  return (JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string }).version;
}

/** Ctrl+C lets a command clean up; a second one ends it at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(signal));
  }
  interrupted = controller.signal;
  return controller.signal;
}

let interrupted: AbortSignal | undefined;

function report(thrown: unknown): number {
  if (interrupted?.aborted) {
    // Ctrl+C reaches ffmpeg as well, so its last errors are not reported.
    console.error(thrown instanceof EngineError && thrown.code === 'ECLOSED' ? thrown.message : 'stopped');
    return interrupted.reason === 'SIGINT' ? 130 : 143;
  }
  if (thrown instanceof UsageError) {
    console.error(`${PROGRAM}: ${thrown.message}\n"${PROGRAM} --help" shows the commands, "${PROGRAM} COMMAND --help" their options.`);
    return 2;
  }
  if (thrown instanceof EngineError) console.error(`${PROGRAM}: ${thrown.message} (${thrown.code})`);
  else console.error(`${PROGRAM}: this is a defect of the program.`, thrown);
  return 1;
}

// A closed output, as with `| head`, is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

// Until it is known better: a program that ends with something still to wait for has failed.
process.exitCode = 1;
main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (thrown: unknown) => (process.exitCode = report(thrown)),
);
