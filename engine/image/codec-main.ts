/** A codec process: does the jobs of its parent in parallel in libuv's threads, and ends with it. */
import { answerTo } from '../util/channel';
import { takeOverCodec } from './codec';
import { type Effort, EFFORT_INTERVAL, type JobAnswer, JOBS, type JobRequest } from './codec-jobs';
import { standBack } from '../util/stand-back';

let underWay = 0;
/** The CPU time that the process had taken at the last look. */
let looked = process.cpuUsage();

async function answer({ id, name, params }: JobRequest): Promise<void> {
  underWay++;
  const said = await answerTo(id, () => perform(name, params));
  underWay--;
  send({ ...said, memory: process.memoryUsage.rss() });
}

function send(message: JobAnswer | Effort): void {
  // The 'disconnect' event tells when the parent is gone.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** What was spent up to a look that found no job is nobody's, and must not be charged to the next one. */
function tellEffort(): void {
  const { user, system } = process.cpuUsage(looked);
  looked = process.cpuUsage();
  if (underWay > 0) send({ cpu: (user + system) / 1000 });
}

async function perform(name: JobRequest['name'], params: JobRequest['params']): Promise<unknown> {
  takeOver();
  return (JOBS[name] as (params: unknown) => Promise<unknown>)(params);
}

let isOurs = false;

function takeOver(): void {
  if (isOurs) return;
  takeOverCodec();
  isOurs = true;
  // Loading the codec is no picture's work.
  looked = process.cpuUsage();
}

// The priority is set before any thread of the codec exists, since threads inherit it.
standBack(Number(process.argv[2]));
process.title = 'streamdiffusion-codec';
setInterval(tellEffort, EFFORT_INTERVAL);
process.on('message', (request: JobRequest) => void answer(request));
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl+C and service managers reach the whole process group; the parent decides when this one ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
