import type { WebSocket } from 'ws';
import { STALLED_MS, type ShownPicture, type Viewer } from './viewer';

const ALIVE_MS = 10_000;
/** Pictures on their way to a viewer that says when it has drawn one: one that travels while the other is drawn. */
const ON_THE_WAY = 2;

/**
 * A WebSocket: each picture is one binary message with a JPEG. While it is busy it holds the newest picture, and nothing
 * else. With `details`, as the live page asks for it,
 * - a text message with JSON comes before each picture: `{ "frame": msg.frame }`, and `{}` now and then while there is
 *   none, so that the viewer knows that the connection is alive;
 * - the viewer sends any message when it has drawn a picture, and the next one comes then. What the network still holds
 *   would be old when it arrives.
 */
export class SocketViewer implements Viewer {
  private onTheWay = 0;
  private lastProgress = performance.now();
  private waiting: ShownPicture | undefined;
  private readonly alive: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: WebSocket,
    private readonly details: boolean,
  ) {
    if (!details) return;
    socket.on('message', () => this.onTaken());
    this.alive = setInterval(() => socket.send('{}'), ALIVE_MS).unref();
    socket.once('close', () => clearInterval(this.alive));
  }

  show(picture: ShownPicture): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    if (this.onTheWay < (this.details ? ON_THE_WAY : 1)) return this.send(picture);
    this.waiting = picture;
    if (performance.now() - this.lastProgress > STALLED_MS) this.socket.terminate();
  }

  end(): void {
    this.socket.close(1001);
  }

  private send({ jpeg, frame }: ShownPicture): void {
    if (this.onTheWay === 0) this.lastProgress = performance.now();
    this.onTheWay++;
    if (this.details) this.socket.send(JSON.stringify({ frame }));
    this.socket.send(jpeg, { binary: true }, (error) => {
      if (!this.details && !error) this.onTaken();
    });
  }

  private onTaken(): void {
    this.lastProgress = performance.now();
    this.onTheWay = Math.max(0, this.onTheWay - 1);
    const picture = this.waiting;
    this.waiting = undefined;
    if (picture) this.show(picture);
  }
}
