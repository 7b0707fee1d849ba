import type { WebSocket } from 'ws';
import { ArrivalPace } from '../common/arrival-pace';
import { isJpeg } from '../common/jpeg';
import { jpegSize } from '../../../engine/image/jpeg-header';
import type { FrameFormat, ProducerEvents } from '../common/producer';

/** A page whose clock is further off than this is not believed about when a picture was taken. */
const CLOCK_TOLERANCE_MS = 10_000;
const MAX_SIDE = 8192;
/** Why a connection was ended, for the page: another visitor's camera is shown now. */
const TAKEN_OVER = 4001;

/**
 * Where visitors of a camera page come in; one at a time, the newest. The page sends a picture as a binary message with
 * a JPEG, and before it, if it likes, a text message `{ "timestamp": ms since 1970 }` with the time when it was taken.
 * It is told `{ width, height, fps, running, now }` at first and whenever the source starts or stops, and
 * `{ got: timestamp, now }` for each picture that went into the flow; only then does it send the next one.
 */
export class CameraDoor {
  private visitor: WebSocket | undefined;
  private flow: ProducerEvents | undefined;
  private announced: number | undefined;
  private readonly pace: ArrivalPace;

  /** @param format what visitors are asked for */
  constructor(readonly format: FrameFormat) {
    this.pace = new ArrivalPace(format.fps);
  }

  /** The flow wants pictures from now on. */
  open(flow: ProducerEvents): void {
    this.flow = flow;
    this.greet();
    if (!this.visitor) flow.waiting('visitor');
  }

  /** The flow wants no more pictures; the visitor stays connected, and waits. */
  close(): void {
    this.flow = undefined;
    this.greet();
  }

  /** The source is gone. */
  end(): void {
    this.flow = undefined;
    this.visitor?.close(1001);
  }

  enter(socket: WebSocket): void {
    const before = this.visitor;
    this.visitor = socket;
    this.announced = undefined;
    before?.close(TAKEN_OVER);
    // Nothing more is read of it, and in a second it is gone.
    before?.pause();
    socket.on('message', (data: Buffer, isBinary) => {
      if (this.visitor !== socket) return;
      if (isBinary) this.take(data);
      else this.announced = timestampIn(data);
    });
    socket.once('close', () => {
      if (this.visitor !== socket) return;
      this.visitor = undefined;
      this.flow?.waiting('visitor');
    });
    this.greet();
  }

  private take(jpeg: Buffer): void {
    const now = Date.now();
    const got = this.announced;
    this.announced = undefined;
    const size = isJpeg(jpeg) ? jpegSize(jpeg) : undefined;
    if (!size || Math.max(size.width, size.height) > MAX_SIDE) return this.visitor?.close(1003, 'no JPEG');
    // A page keeps to the rate; a program might not.
    if (this.flow && this.pace.takes()) {
      const isCredible = got !== undefined && Math.abs(now - got) < CLOCK_TOLERANCE_MS;
      this.flow.frame(jpeg, { ...size, timestamp: isCredible ? got : now });
    }
    this.tell({ got: got ?? null, now });
  }

  private greet(): void {
    this.tell({ ...this.format, running: this.flow !== undefined, now: Date.now() });
  }

  private tell(news: object): void {
    if (this.visitor?.readyState === this.visitor?.OPEN) this.visitor?.send(JSON.stringify(news));
  }
}

function timestampIn(text: Buffer): number | undefined {
  try {
    const { timestamp } = JSON.parse(text.toString()) as { timestamp?: unknown };
    return typeof timestamp === 'number' ? timestamp : undefined;
  } catch {
    return undefined;
  }
}
