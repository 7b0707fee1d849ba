import type { ServerResponse } from 'node:http';
import { STALLED_MS, type ShownPicture, type Viewer } from './viewer';

const BOUNDARY = 'frame';

/** What the answer to a viewer begins with. */
export const STREAM_HEADERS = {
  'Content-Type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
  'Cache-Control': 'no-store',
  // A buffering proxy would hold pictures back.
  'X-Accel-Buffering': 'no',
};

/** A multipart stream. While it is busy with a picture it holds the newest one after that, and nothing else. */
export class MjpegViewer implements Viewer {
  private busySince: number | undefined;
  private waiting: ShownPicture | undefined;

  constructor(private readonly response: ServerResponse) {
    response.on('drain', () => this.onDrain());
    response.writeHead(200, STREAM_HEADERS);
    response.write(`--${BOUNDARY}\r\n`);
  }

  show(picture: ShownPicture): void {
    // Between the end and 'close' a write would be an error that nobody catches.
    if (this.response.writableEnded || this.response.destroyed) return;
    if (this.busySince === undefined) {
      if (!this.response.write(partOf(picture))) this.busySince = performance.now();
      return;
    }
    this.waiting = picture;
    if (performance.now() - this.busySince > STALLED_MS) this.response.destroy();
  }

  end(): void {
    this.response.end();
  }

  private onDrain(): void {
    this.busySince = undefined;
    const picture = this.waiting;
    this.waiting = undefined;
    if (picture) this.show(picture);
  }
}

const parts = new WeakMap<ShownPicture, Buffer>();

/** One part with the boundary of the next: browsers paint a part when they see what follows it. Made once for all viewers. */
function partOf(picture: ShownPicture): Buffer {
  let part = parts.get(picture);
  if (!part) {
    const head = `Content-Type: image/jpeg\r\nContent-Length: ${picture.jpeg.length}\r\n\r\n`;
    part = Buffer.concat([Buffer.from(head), picture.jpeg, Buffer.from(`\r\n--${BOUNDARY}\r\n`)]);
    parts.set(picture, part);
  }
  return part;
}
