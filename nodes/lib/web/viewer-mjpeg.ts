import type { ServerResponse } from 'node:http';
import { Mailbox } from '../../../engine/util/mailbox';
import { MULTIPART_TYPE, PART_BEGINS, partOf } from './multipart';
import { backlogOf } from './tcp-backlog';
import { STALLED_MS, type ShownPicture, type Viewer } from './viewer';

/** How often the bytes on their way to a viewer are checked, ms: for one that keeps up, and for one that does not. */
const CHECK_MS = { quick: 250, slow: 100 };
/** A viewer counts as slow, or quick again, after this many checks in a row. */
const CHECKS = 2;
/** A slow viewer gets the next picture when at most this part of the last one is still on its way. */
const ON_THE_WAY = 0.5;

/** The headers of the stream. */
export const STREAM_HEADERS = {
  'Content-Type': MULTIPART_TYPE,
  'Cache-Control': 'no-store',
  // A buffering proxy would hold pictures back.
  'X-Accel-Buffering': 'no',
};

/**
 * A multipart stream. While pictures are on their way, only the newest one waits. Bytes on their way are those buffered by this
 * process and, where that is known, by the system: several megabytes, which on a slow link are half a minute of old pictures.
 */
export class MjpegViewer implements Viewer {
  private readonly waiting = new Mailbox<ShownPicture>();
  private waitingSince: number | undefined;
  private isSlow = false;
  /** The number of checks in a row that contradict `isSlow`. */
  private doubts = 0;
  private sentBytes = 0;
  private sentSinceCheck = false;
  private nextCheck: NodeJS.Timeout | undefined;

  constructor(
    private readonly response: ServerResponse,
    private readonly backlog = backlogOf,
  ) {
    response.on('drain', () => !this.isSlow && this.sendWaiting());
    response.once('close', () => clearTimeout(this.nextCheck));
    response.writeHead(200, STREAM_HEADERS);
    response.write(PART_BEGINS);
  }

  show(picture: ShownPicture): void {
    this.waiting.put(picture);
    this.waitingSince ??= performance.now();
    if (!this.isSlow || this.nextCheck === undefined) this.sendWaiting();
    if (this.waiting.full && performance.now() - this.waitingSince > STALLED_MS) this.response.destroy();
  }

  end(): void {
    this.waiting.take();
    this.response.end();
  }

  private sendWaiting(): void {
    const { response } = this;
    // A write between the end and 'close' would be an uncaught error.
    if (response.writableNeedDrain || response.writableEnded || response.destroyed) return;
    const picture = this.waiting.take();
    if (!picture) return;
    this.waitingSince = undefined;
    const part = partBefore(picture);
    this.sentBytes = part.length;
    this.sentSinceCheck = true;
    response.write(part);
    this.nextCheck ??= this.checkLater();
  }

  private checkLater(): NodeJS.Timeout {
    return setTimeout(() => void this.checkBacklog(), this.isSlow || this.doubts > 0 ? CHECK_MS.slow : CHECK_MS.quick).unref();
  }

  private async checkBacklog(): Promise<void> {
    this.sentSinceCheck = false;
    const backlog = this.response.writableNeedDrain ? Infinity : ((await this.backlog(this.response.socket)) ?? 0);
    const isBehind = backlog > this.sentBytes * ON_THE_WAY;
    this.doubts = isBehind === this.isSlow ? 0 : this.doubts + 1;
    if (this.doubts >= CHECKS) {
      this.isSlow = isBehind;
      this.doubts = 0;
    }
    if (!isBehind) this.sendWaiting();
    const isOver = !isBehind && !this.sentSinceCheck && this.doubts === 0;
    this.nextCheck = isOver || this.response.destroyed ? undefined : this.checkLater();
  }
}

const parts = new WeakMap<ShownPicture, Buffer>();

/** A part with the beginning of the next, since browsers show a part when the next one begins. Made once for all viewers. */
function partBefore(picture: ShownPicture): Buffer {
  const part = parts.get(picture) ?? Buffer.concat([partOf(picture.jpeg), PART_BEGINS]);
  parts.set(picture, part);
  return part;
}
