import { fork } from 'node:child_process';
import { join } from 'node:path';
import { EngineError, type ErrorCode } from '../../errors';
import { listInstalled } from '../../hub/installed';
import { inspectModel } from '../../model/folder';
import { modelWords } from '../../model/model-words';
import { checkServer } from '../../model/server-check';
import { endWithParent } from '../../util/orphan-guard';
import { residentMemory } from '../../util/process-memory';
import { type Answer, Channel } from '../../util/channel';

/** The checks: of a model folder, of a server, of the folder of downloaded models, of a model's words. */
export const CHECKS = { inspectModel, checkServer, listInstalled, modelWords };

type Checks = typeof CHECKS;
export type CheckName = keyof Checks;

/** The number of checks that run at once; further ones wait. */
const MOST_RUNNING = 3;
const MOST_WAITING = 30;
/** The most resident memory of a check, bytes, and how often it is measured, ms. */
const LARGEST = 2 ** 30;
const LOOK_MS = 200;

let running = 0;
const waiting: (() => void)[] = [];

/**
 * Runs one of the {@link CHECKS} in a process of its own, with a deadline and a memory limit: it reads files of others, which
 * must not block or bring down this process.
 *
 * Rejects as the check does; with ETIMEOUT or EMEMORY beyond its limits, EHOST when its process ends without an answer,
 * EBADPARAM when too many checks wait.
 *
 * @param limitMs the deadline, ms
 */
export async function checkInProcess<N extends CheckName>(
  name: N,
  args: Parameters<Checks[N]>,
  limitMs = 60_000,
): Promise<Awaited<ReturnType<Checks[N]>>> {
  if (waiting.length >= MOST_WAITING)
    throw new EngineError('EBADPARAM', `${MOST_WAITING} checks are waiting already; try again when they are done`);
  if (running >= MOST_RUNNING) await new Promise<void>((turn) => waiting.push(turn));
  else running++;
  try {
    return (await run(name, args, limitMs)) as Awaited<ReturnType<Checks[N]>>;
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

function run(name: CheckName, args: unknown[], limitMs: number): Promise<unknown> {
  // This limits the heap, which holds JavaScript's objects; buffers are outside it and are limited below.
  const child = fork(join(__dirname, '../process/check-main.js'), [], {
    serialization: 'advanced',
    execArgv: ['--max-old-space-size=512'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  endWithParent(child);
  const channel = new Channel<{ name: CheckName; args: unknown[] }>((request) => child.send(request, () => undefined));
  const end = (code: ErrorCode, reason: string): void => {
    channel.close(new EngineError(code, `the check ${reason}`));
    child.kill('SIGKILL');
  };
  const late = setTimeout(() => end('ETIMEOUT', `has not ended within ${limitMs / 1000} s, and was ended`), limitMs);
  const scales = setInterval(async () => {
    const bytes = (await residentMemory(child.pid ?? 0)) ?? 0;
    if (bytes <= LARGEST) return;
    end('EMEMORY', `took more than ${LARGEST / 2 ** 20} MB of memory and was ended: a file that it reads is not what it should be`);
  }, LOOK_MS);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-300);
  });
  child.on('message', (answer: Answer) => channel.hear(answer));
  child.once('error', (error) => end('EHOST', `could not be started: ${error.message}`));
  child.once('close', (code, signal) => {
    clearTimeout(late);
    clearInterval(scales);
    // This has no effect unless the process ended without an answer.
    end('EHOST', `ended with ${signal ?? `code ${code}`}${/heap out of memory/.test(stderr) ? ' (out of memory)' : ''}`);
  });
  return channel.request({ name, args }, undefined);
}
