import type { WebSocket } from 'ws';
import { ArrivalPace } from '../common/arrival-pace';
import { isJpeg } from '../common/jpeg';
import { jpegSize } from '../../../engine/image/jpeg-header';
import type { FrameFormat, ProducerEvents } from '../common/producer';

/** The time that a page gives for a picture is ignored if it differs by more than this from this machine's clock, ms. */
const CLOCK_TOLERANCE_MS = 10_000;
const MAX_SIDE = 8192;
/** The close code for a page whose visitor was replaced by another one. */
const TAKEN_OVER = 4001;

/**
 * The WebSocket of a camera page's visitors; the newest replaces the one before. The page sends each picture as a binary message
 * with a JPEG, optionally after a text message `{ "timestamp": ms since 1970 }` with the time when it was taken. It receives
 * `{ width, height, fps, running, now }` at first and whenever the source starts or stops, and `{ got: timestamp, now }` for each
 * picture that went into the flow, after which it sends the next one.
 */
export class CameraDoor {
  private visitor: WebSocket | undefined;
  private flow: ProducerEvents | undefined;
  private announced: number | undefined;
  private readonly pace: ArrivalPace;

  /** @param format the format that visitors' pages send */
  constructor(readonly format: FrameFormat) {
    this.pace = new ArrivalPace(format.fps);
  }

  /** Starts to pass pictures into the flow. */
  open(flow: ProducerEvents): void {
    this.flow = flow;
    this.greet();
    if (!this.visitor) flow.waiting('visitor');
  }

  /** Stops passing pictures into the flow; the visitor stays connected and waits. */
  close(): void {
    this.flow = undefined;
    this.greet();
  }

  /** Disconnects the visitor, since the source is closing. */
  end(): void {
    this.flow = undefined;
    this.visitor?.close(1001);
  }

  enter(socket: WebSocket): void {
    const before = this.visitor;
    this.visitor = socket;
    this.announced = undefined;
    before?.close(TAKEN_OVER);
    // Nothing more is read from the replaced connection, which ends within a second.
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
    // Pages keep to the rate; other programs might not.
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
