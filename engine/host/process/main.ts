/** The engine process: answers the requests of its parent, and ends with it. */
import { Engine } from '../../engine';
import { EngineError, type ErrorCode } from '../../errors';
import { takeOverCodec } from '../../image/codec';
import type { LoadProgress } from '../../model/model';
import { openPlanned } from '../../model/net-plan';
import { StreamWorker } from './stream-worker';
import { RunWatch } from './run-watch';
import { WantedPictures } from './wanted-pictures';
import { answerTo } from '../../util/channel';
import type { Method, Methods, Notification, Request, Response } from '../protocol/wire';
import { standBack } from '../../util/stand-back';

const ALIVE_INTERVAL = 1000;
/** The longest that a tick may take after a change of a running stream, ms, unless it took a good part of that before. */
const LIVE_LIMIT = 3000;
/** The nice value; systems with priority classes only treat it as normal until the nets set theirs. */
const PRIORITY = 5;

let engine: Engine | undefined;
const runWatch = new RunWatch();
const streams = new Map<number, Promise<StreamWorker>>();
const pictures = new WantedPictures((picture) => send({ event: 'wants', picture }));

function send(message: Notification | Response): void {
  // That the parent has gone is noticed by 'disconnect'; a message that could not be sent to it does not matter then.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

function loadedEngine(): Engine {
  if (engine) return engine;
  throw new EngineError('EHOST', 'the engine process has not loaded a model');
}

async function streamOf(stream: number): Promise<StreamWorker> {
  const hosted = streams.get(stream);
  if (hosted) return hosted;
  throw new EngineError('ECLOSED', 'the stream is closed');
}

const methods: { [M in Method]: (params: Methods[M]['params']) => Promise<Methods[M]['result']> } = {
  async load(settings) {
    // The codec is loaded at once, so that a missing one is reported as such and not with every frame.
    takeOverCodec();
    const onProgress = (progress: LoadProgress): void => send({ event: 'progress', ...progress });
    const open = openPlanned(settings.intraOpNumThreads);
    const openNet: typeof open =
      (opening) =>
      async (...source) =>
        runWatch.watch(await open(opening)(...source));
    const limits = { memory: settings.memoryLimit, liveMs: LIVE_LIMIT };
    engine = await Engine.load(settings, { onProgress, openNet, limits, findPicture: (id) => pictures.find(id) });
    return { info: engine.info, warnings: engine.warnings };
  },
  async open({ stream, settings, safe, conditioning }) {
    const onWarning = (text: string, code?: ErrorCode): void => send({ event: 'warning', stream, text, ...(code && { code }) });
    const opening = StreamWorker.open(loadedEngine(), settings, () => send({ event: 'taken', stream }), onWarning, safe);
    streams.set(stream, opening);
    opening.catch(() => streams.delete(stream));
    const hosted = await opening;
    if (conditioning) await hosted.startUnder(conditioning);
  },
  submit: async ({ stream, frame }) => (await streamOf(stream)).submit(frame),
  update: async ({ stream, params }) => (await streamOf(stream)).update(params),
  setConditioning: async ({ stream, conditioning }) => (await streamOf(stream)).setConditioning(conditioning),
  picture: async ({ id, picture }) => pictures.take(id, picture),
  reset: async ({ stream }) => (await streamOf(stream)).reset(),
  async close({ stream }) {
    const hosted = streams.get(stream);
    streams.delete(stream);
    if (hosted) await (await hosted).close();
  },
};

async function answer({ id, method, params }: Request): Promise<void> {
  send(await answerTo(id, () => (methods[method] as (params: unknown) => Promise<unknown>)(params)));
}

// Set before the picture codec's threads start, which inherit it: below the flow, which must answer while every core
// computes, and on Linux above the nets, whose threads lower theirs further. Short work must not wait for long work.
standBack(PRIORITY);
process.title = 'streamdiffusion-engine';
process.on('message', (request: Request) => void answer(request));
// Killed at once: an orderly exit would have to wait for the nets, and aborts when it does not.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl+C and service managers reach the whole process group; the parent decides when the engine ends, and it ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
setInterval(() => {
  send({ event: 'alive', memory: process.memoryUsage.rss(), runs: runWatch.runs, runningMs: runWatch.beat() * ALIVE_INTERVAL });
}, ALIVE_INTERVAL);
