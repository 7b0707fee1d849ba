import type { ServerResponse } from 'node:http';

const BOUNDARY = 'frame';
/** A viewer that has taken nothing for this long is gone, though its connection does not say so. */
const STALLED_MS = 30_000;

/** What the answer to a viewer begins with. */
export const STREAM_HEADERS = {
  'Content-Type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
  'Cache-Control': 'no-store',
  // A buffering proxy would hold pictures back.
  'X-Accel-Buffering': 'no',
};

/** Sends one live picture to any number of viewers as a multipart stream; a slow one gets fewer pictures, never old ones. */
export class MjpegHub {
  private readonly viewers = new Set<Viewer>();

  get size(): number {
    return this.viewers.size;
  }

  /** Turns `response` into a stream that lasts until the viewer leaves or the hub closes. */
  add(response: ServerResponse): Viewer {
    response.writeHead(200, STREAM_HEADERS);
    response.write(`--${BOUNDARY}\r\n`);
    const viewer = new Viewer(response);
    this.viewers.add(viewer);
    response.once('close', () => this.viewers.delete(viewer));
    return viewer;
  }

  /** Shows a picture to everybody. */
  publish(jpeg: Buffer): void {
    if (this.viewers.size === 0) return;
    const part = toPart(jpeg);
    for (const viewer of this.viewers) viewer.send(part);
  }

  /** Ends every stream. */
  close(): void {
    for (const viewer of this.viewers) viewer.end();
    this.viewers.clear();
  }
}

/** One connection. While it is busy with a picture it holds the newest one after that, and nothing else. */
export class Viewer {
  private busySince: number | undefined;
  private waiting: Buffer | undefined;

  constructor(private readonly response: ServerResponse) {
    response.on('drain', () => this.onDrain());
  }

  show(jpeg: Buffer): void {
    this.send(toPart(jpeg));
  }

  send(part: Buffer): void {
    // Between the end and 'close' a write would be an error that nobody catches.
    if (this.response.writableEnded) return;
    if (this.busySince === undefined) {
      if (!this.response.write(part)) this.busySince = performance.now();
      return;
    }
    this.waiting = part;
    if (performance.now() - this.busySince > STALLED_MS) this.response.destroy();
  }

  end(): void {
    this.response.end();
  }

  private onDrain(): void {
    this.busySince = undefined;
    const part = this.waiting;
    this.waiting = undefined;
    if (part) this.send(part);
  }
}

/** One part with the boundary of the next: browsers paint a part when they see what follows it. */
function toPart(jpeg: Buffer): Buffer {
  const head = `Content-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), jpeg, Buffer.from(`\r\n--${BOUNDARY}\r\n`)]);
}
