import type { WebSocket } from 'ws';
import { Mailbox } from '../../../engine/util/mailbox';
import { STALLED_MS, type ShownPicture, type Viewer } from './viewer';

const ALIVE_MS = 10_000;
/** The most pictures on their way to a viewer: one travels while the other is drawn. */
const ON_THE_WAY = 2;
/** For a viewer that answers pings within this time, ms, more may be on their way, so that a short delay costs no picture. */
const QUICK = { ms: 100, onTheWay: 4 };

/**
 * A WebSocket: each picture is one binary message with a JPEG. While it is busy, only the newest picture waits. With `details`,
 * which the live page asks for,
 * - a text message with JSON comes before each picture: `{ "frame": msg.frame }`, and `{}` now and then while there is
 *   none, so that the viewer knows that the connection is alive;
 * - with `times` as well, `at` beside `frame` says when the picture came to the sink, ms since 1970;
 * - `{ "blackout": true, "fade": ms }` and `false` say that the audience is to see black, and the pictures again;
 * - the viewer sends any message when it has drawn a picture, and the next one comes then.
 *
 * Every other picture is followed by a ping, which every WebSocket answers by itself once it has read the data before it. Either
 * way the number of pictures on their way is limited, since pictures buffered by the network would be old on arrival.
 */
export class SocketViewer implements Viewer {
  private onTheWay = 0;
  private pinged = 0;
  private pingedAt: number[] = [];
  private isQuick = false;
  private lastProgress = performance.now();
  private readonly waiting = new Mailbox<ShownPicture>();
  private readonly alive: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: WebSocket,
    private readonly details: boolean,
    private readonly times = false,
  ) {
    if (details) this.curtain = (blackout, fade) => this.tell({ blackout, fade });
    if (!details) {
      socket.on('pong', (data) => this.onPong(Number(data.toString())));
      return;
    }
    socket.on('message', () => this.onTaken());
    this.alive = setInterval(() => socket.send('{}'), ALIVE_MS).unref();
    socket.once('close', () => clearInterval(this.alive));
  }

  show(picture: ShownPicture): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    if (this.onTheWay < (this.isQuick ? QUICK.onTheWay : ON_THE_WAY)) return this.send(picture);
    this.waiting.put(picture);
    if (performance.now() - this.lastProgress > STALLED_MS) this.socket.terminate();
  }

  /** Only defined for a viewer with `details`; the others get a black picture. */
  readonly curtain: Viewer['curtain'];

  end(): void {
    this.socket.close(1001);
  }

  private tell(news: object): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify(news));
  }

  private send({ jpeg, frame, at }: ShownPicture): void {
    if (this.onTheWay === 0) this.lastProgress = performance.now();
    this.onTheWay++;
    if (this.details) this.socket.send(JSON.stringify(this.times ? { frame, at } : { frame }));
    this.socket.send(jpeg, { binary: true });
    if (this.details) return;
    this.pingedAt.push(performance.now());
    this.socket.ping(String(++this.pinged));
  }

  /** Of several close pings only the last one may be answered. Pings without a number only test the connection. */
  private onPong(number: number): void {
    const taken = this.onTheWay - (this.pinged - number);
    if (!(taken > 0 && number <= this.pinged)) return;
    const at = this.pingedAt.splice(0, taken).at(-1) ?? 0;
    this.isQuick = performance.now() - at < QUICK.ms;
    this.onTaken(taken);
  }

  private onTaken(pictures = 1): void {
    this.lastProgress = performance.now();
    this.onTheWay = Math.max(0, this.onTheWay - pictures);
    const picture = this.waiting.take();
    if (picture) this.show(picture);
  }
}
