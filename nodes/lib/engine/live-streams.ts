import { isDeepStrictEqual } from 'node:util';
import type { NodeAPI } from 'node-red';
import { strengthOf } from '../../../engine/diffusion/strength';
import type { PromptSpec, FinishedFrame, StreamSettings, StreamStats, WeightedText } from '../../../engine/host/protocol/messages';
import { codecPool } from '../../../engine/image/codec-pool';
import type { Picture } from '../../../engine/image/picture';
import { encodersBefore, flowNodes } from '../common/flow-graph';
import { wakeAll } from '../common/rest';
import { guardAdmin } from '../web/site';
import { TUNABLES } from '../web/tuning-routes';

/** A stream as the sidebar shows it. */
export interface LiveStream {
  /** Of the denoiser or control map. */
  id: string;
  topic: string;
  /** Of the last two seconds. */
  fps: number;
  latencyMs: number;
  /** Frames since the stream was opened. */
  in: number;
  out: number;
  dropped: number;
  failed: number;
  /** Of a denoiser's stream; a control map has none of these three. */
  mode?: StreamSettings['mode'];
  /** 0 to 1, as in `msg.params`. */
  strength?: number;
  /** Of the newest frame; a list of several is blended. */
  prompt?: WeightedText[];
  /** The prompt encoder that says so, by its id; none where nobody before the denoiser does. */
  encoder?: string;
  /** A small JPEG in base64 of what the newest frame came from; none where it came from text. */
  source?: string;
  /** A small JPEG of the newest frame in base64. */
  picture?: string;
}

/** What the sidebar asks of a stream. A control map has no settings of a denoiser. */
export interface WatchedStream {
  readonly closed: boolean;
  readonly stats: StreamStats;
  readonly settings?: StreamSettings;
}

/** The newest frame of a stream, and what it was rendered from. */
export interface Painted {
  result: FinishedFrame;
  picture?: Picture;
  conditioning?: PromptSpec;
}

interface Entry extends Painted {
  stream: WatchedStream;
}

/** Pixels, the longer side. */
const PREVIEW_SIZE = 192;
const PREVIEW_QUALITY = 60;
/** An open sidebar asks once a second. */
const OPEN_MS = 3000;
let lastAsked = -Infinity;

/** By node, then by topic. Frames are kept as they are; a small picture is made only when the sidebar asks. */
const entries = new Map<string, Map<string, Entry>>();
const previews = new WeakMap<Picture | FinishedFrame, Promise<string | undefined>>();

/** Remembers the newest frame of a stream. */
export function keepNewest(id: string, topic: string, stream: WatchedStream, painted: Painted): void {
  const topics = entries.get(id) ?? new Map<string, Entry>();
  entries.set(id, topics);
  // A topic that made room for another one.
  for (const [known, { stream: old }] of topics) if (old.closed) topics.delete(known);
  // A copy: the flow gets the same bytes, and may draw on them.
  const result = { ...painted.result, data: Uint8Array.from(painted.result.data) };
  topics.set(topic, { ...painted, result, stream });
}

/** Forgets a node that was closed. */
export function forgetStreams(id: string): void {
  entries.delete(id);
}

/** Whether an editor shows the sidebar with the small pictures. */
export function isPreviewOpen(): boolean {
  return performance.now() - lastAsked < OPEN_MS;
}

/**
 * `GET streamdiffusion/streams`: all {@link LiveStream}s, denoisers before control maps, under the editor's own login; with `?node=ID` those of one node, which
 * wakes no denoiser that rests.
 */
export function serveStreams(RED: NodeAPI): void {
  guardAdmin(RED);
  RED.httpAdmin.get('/streamdiffusion/streams', RED.auth.needsPermission('streamdiffusion.read'), ({ query }, response, next) => {
    if (query.node === undefined) {
      lastAsked = performance.now();
      wakeAll();
    }
    const nodes = flowNodes(RED);
    const asked = [...entries].filter(([id]) => query.node === undefined || query.node === id);
    const open = asked.flatMap(([id, topics]) =>
      [...topics].filter(([, { stream }]) => !stream.closed).map(([topic, entry]) => ({ id, topic, entry })),
    );
    // What is played on stands above what it is made of.
    open.sort((a, b) => Number(!a.entry.stream.settings) - Number(!b.entry.stream.settings));
    Promise.all(
      open.map(async ({ id, topic, entry }) => {
        const encoder = encoderOf(RED, encodersBefore(nodes, id), entry.conditioning);
        return { id, topic, ...(encoder && { encoder }), ...(await describe(entry)) };
      }),
    )
      .then((streams) => response.set('Cache-Control', 'no-store').json(streams))
      .catch(next);
  });
}

async function describe({ stream, result, picture, conditioning }: Entry): Promise<Omit<LiveStream, 'id' | 'topic' | 'encoder'>> {
  const { fps, latencyMs, dropped, failed, in: came, out } = stream.stats;
  const [source, shown] = await Promise.all([picture && preview(picture, picture), preview(result, asPicture(result))]);
  return {
    fps,
    latencyMs,
    in: came,
    out,
    dropped,
    failed,
    ...(stream.settings && { ...shownSettings(stream.settings), prompt: conditioning?.prompt ?? [] }),
    source,
    picture: shown,
  };
}

function shownSettings({ mode, tIndexList, numInferenceSteps = 50 }: StreamSettings): Pick<LiveStream, 'mode' | 'strength'> {
  return { mode, strength: Math.round(strengthOf(tIndexList, numInferenceSteps) * 1000) / 1000 };
}

/** The prompt encoder whose prompt a frame was rendered under, where there are several; a single one in any case. */
function encoderOf(RED: NodeAPI, encoders: string[], conditioning: PromptSpec | undefined): string | undefined {
  if (encoders.length < 2) return encoders[0];
  return encoders.find((id) => {
    return isDeepStrictEqual(TUNABLES.of(RED.nodes.getNode(id))?.prompt, conditioning?.prompt);
  });
}

const asPicture = ({ data, format, width, height }: FinishedFrame): Picture =>
  format === 'raw' ? { kind: 'raw', data, width, height, channels: 3 } : { kind: 'encoded', data };

/** Made once of each. Undefined when it cannot be made small; the sidebar then shows the figures alone. */
function preview(key: Picture | FinishedFrame, picture: Picture): Promise<string | undefined> {
  const made = previews.get(key) ?? toPreview(picture);
  previews.set(key, made);
  return made;
}

function toPreview(picture: Picture): Promise<string | undefined> {
  const small = codecPool.toJpeg(picture, { quality: PREVIEW_QUALITY, size: { width: PREVIEW_SIZE, height: PREVIEW_SIZE, fit: 'inside' } });
  return small.then(
    (jpeg) => jpeg.toString('base64'),
    () => undefined,
  );
}
