import type { NodeAPI } from 'node-red';
import type { RemoteStream } from '../../../engine/host/client';
import type { FinishedFrame } from '../../../engine/host/protocol/messages';
import { codecPool } from '../../../engine/image/codec-pool';
import type { Picture } from '../../../engine/image/picture';
import { wakeAll } from '../common/rest';
import { guardAdmin } from '../web/site';

/** A stream as the sidebar shows it. */
export interface LiveStream {
  /** Of the denoiser node. */
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
  /** A small JPEG of the newest frame in base64. */
  picture?: string;
}

interface Entry {
  stream: RemoteStream;
  frame: FinishedFrame;
}

/** Pixels, the longer side. */
const PREVIEW_SIZE = 192;
const PREVIEW_QUALITY = 60;
/** An open sidebar asks once a second. */
const OPEN_MS = 3000;
let lastAsked = -Infinity;

/** By denoiser node, then by topic. Frames are kept as they are; a small picture is made only when the sidebar asks. */
const entries = new Map<string, Map<string, Entry>>();
const previews = new WeakMap<FinishedFrame, Promise<string | undefined>>();

/** Remembers the newest frame of a stream. */
export function keepNewest(id: string, topic: string, stream: RemoteStream, frame: FinishedFrame): void {
  const topics = entries.get(id) ?? new Map<string, Entry>();
  entries.set(id, topics);
  // A topic that made room for another one.
  for (const [known, { stream: old }] of topics) if (old.closed) topics.delete(known);
  // A copy: the flow gets the same bytes, and may draw on them.
  topics.set(topic, { stream, frame: { ...frame, data: Uint8Array.from(frame.data) } });
}

/** Forgets a denoiser that was closed. */
export function forgetStreams(id: string): void {
  entries.delete(id);
}

/** Whether an editor shows the sidebar with the small pictures. */
export function isPreviewOpen(): boolean {
  return performance.now() - lastAsked < OPEN_MS;
}

/** `GET streamdiffusion/streams`: all {@link LiveStream}s, under the editor's own login. */
export function serveStreams(RED: NodeAPI): void {
  guardAdmin(RED);
  RED.httpAdmin.get('/streamdiffusion/streams', RED.auth.needsPermission('streamdiffusion.read'), (_request, response, next) => {
    lastAsked = performance.now();
    wakeAll();
    Promise.all(
      [...entries].flatMap(([id, topics]) =>
        [...topics].filter(([, { stream }]) => !stream.closed).map(([topic, entry]) => describe(id, topic, entry)),
      ),
    )
      .then((streams) => response.set('Cache-Control', 'no-store').json(streams))
      .catch(next);
  });
}

async function describe(id: string, topic: string, { stream, frame }: Entry): Promise<LiveStream> {
  const { fps, latencyMs, dropped, failed, ...counters } = stream.stats;
  const preview = previews.get(frame) ?? toPreview(frame);
  previews.set(frame, preview);
  return { id, topic, fps, latencyMs, in: counters.in, out: counters.out, dropped, failed, picture: await preview };
}

/** Undefined when the frame cannot be made small; the sidebar then shows the figures alone. */
async function toPreview({ data, format, width, height }: FinishedFrame): Promise<string | undefined> {
  const picture: Picture = format === 'raw' ? { kind: 'raw', data, width, height, channels: 3 } : { kind: 'encoded', data };
  const small = codecPool.toJpeg(picture, { quality: PREVIEW_QUALITY, size: { width: PREVIEW_SIZE, height: PREVIEW_SIZE, fit: 'inside' } });
  return small.then(
    (jpeg) => jpeg.toString('base64'),
    () => undefined,
  );
}
