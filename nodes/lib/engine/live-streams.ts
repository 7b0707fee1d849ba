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
  /** The id of the denoiser or control map. */
  id: string;
  topic: string;
  /** Frames per second over the last two seconds. */
  fps: number;
  latencyMs: number;
  /** Frames since the stream was opened. */
  in: number;
  out: number;
  dropped: number;
  failed: number;
  /** The denoiser's mode; a control map has none of these three. */
  mode?: StreamSettings['mode'];
  /** 0 to 1, as in `msg.params`. */
  strength?: number;
  /** The prompt of the newest frame; several are blended. */
  prompt?: WeightedText[];
  /** The id of the prompt encoder that sets it; undefined where there is none before the denoiser. */
  encoder?: string;
  /** A small JPEG in base64 of the newest frame's source; undefined for text to image. */
  source?: string;
  /** A small JPEG of the newest frame in base64. */
  picture?: string;
}

/** The properties of a stream that the sidebar needs. A control map has no settings of a denoiser. */
export interface WatchedStream {
  readonly closed: boolean;
  readonly stats: StreamStats;
  readonly settings?: StreamSettings;
}

/** The newest frame of a stream, and the picture and conditioning that it was rendered from. */
export interface Painted {
  result: FinishedFrame;
  picture?: Picture;
  conditioning?: PromptSpec;
}

interface Entry extends Painted {
  stream: WatchedStream;
}

/** The longer side of a preview, pixels. */
const PREVIEW_SIZE = 192;
const PREVIEW_QUALITY = 60;
/** The sidebar counts as open for this long after a request, ms; an open one asks once a second. */
const OPEN_MS = 3000;
let lastAsked = -Infinity;

/** The newest frames by node, then by topic. A small picture is only made when the sidebar asks. */
const entries = new Map<string, Map<string, Entry>>();
const previews = new WeakMap<Picture | FinishedFrame, Promise<string | undefined>>();

/** Remembers the newest frame of a stream. */
export function keepNewest(id: string, topic: string, stream: WatchedStream, painted: Painted): void {
  const topics = entries.get(id) ?? new Map<string, Entry>();
  entries.set(id, topics);
  // Topics whose streams were closed for others are removed.
  for (const [known, { stream: old }] of topics) if (old.closed) topics.delete(known);
  // Copied, since the flow gets the same buffer and may change it.
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
 * `GET streamdiffusion/streams`, under the editor's own login: all {@link LiveStream}s, denoisers before control maps. With
 * `?node=ID` only those of one node, which wakes no idle denoiser.
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
    // Denoisers come before control maps.
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

/** The prompt encoder whose prompt a frame was rendered under; if there is only one encoder, that one. */
function encoderOf(RED: NodeAPI, encoders: string[], conditioning: PromptSpec | undefined): string | undefined {
  if (encoders.length < 2) return encoders[0];
  return encoders.find((id) => {
    return isDeepStrictEqual(TUNABLES.of(RED.nodes.getNode(id))?.prompt, conditioning?.prompt);
  });
}

const asPicture = ({ data, format, width, height }: FinishedFrame): Picture =>
  format === 'raw' ? { kind: 'raw', data, width, height, channels: 3 } : { kind: 'encoded', data };

/** A small picture, made once for each. Undefined when that fails; the sidebar then shows only the figures. */
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
