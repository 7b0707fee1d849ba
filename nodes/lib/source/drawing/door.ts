import type { WebSocket } from 'ws';
import { codecPool } from '../../../../engine/image/codec-pool';
import { RateLimit } from '../../common/rate-limit';
import type { FrameFormat } from '../../common/producer';
import { readJsonMessage } from '../../web/json-message';
import { type Pen, Sheet } from './sheet';
import { type FirstDrawing, PAPER, UNITS } from './svg';

export const MOST_VISITORS = 32;
/** The limit on one visitor's messages: a page sends at most one per animation frame, and a few clicks. */
const MESSAGES = { burst: 120, perSecond: 60 };
/** The most points in one message. */
const MOST_POINTS = 500;
/** Events of the sheet are sent to all visitors together at this interval, ms. */
const TELL_MS = 40;
/** A page with this many unread bytes has stopped reading. */
const MOST_WAITING = 8_000_000;
const TOO_FAST = 1008;

/** An event of a sheet, as it is sent to visitors. */
type Event =
  | { key: string; colour: string; mirror: boolean; points: number[] }
  | { key: string; points: number[] }
  | { key: string; clear: true }
  | { undo: string };

/**
 * The WebSocket of a drawing page's visitors: up to {@link MOST_VISITORS}, all on one sheet. A page sends text messages with JSON:
 * - `{ "begin": number, "colour": "#rrggbb", "mirror": bool, "points": [x, y, width, …] }` begins a stroke. Coordinates are in
 *   1/10000 of the sheet's sides, the width in 1/10000 of the shorter side. Without a colour it erases.
 * - `{ "stroke": number, "points": […] }` continues it, `{ "undo": true }` removes the visitor's newest one, `{ "clear": true }`
 *   puts new paper on top.
 *
 * It receives `{ you, width, height, paper, strokes, visitors, running }` at first and whenever everything has changed, followed by
 * the JPEG below the strokes as a binary message if there is one (`below`); then `{ events: […], visitors }` as they happen, in the
 * same order for all.
 */
export class DrawingDoor {
  readonly sheet: Sheet;
  private readonly visitors = new Map<WebSocket, number>();
  private visitorCount = 0;
  private events: Event[] = [];
  private telling: NodeJS.Timeout | undefined;
  private isOpen = false;

  constructor(
    readonly format: FrameFormat,
    first: FirstDrawing,
    draw = (svg: string, quality: number): Promise<Buffer> => codecPool.drawSvg(svg, quality),
  ) {
    this.sheet = new Sheet(format.width, format.height, first, draw, () => this.greetAll());
  }

  get isFull(): boolean {
    return this.visitors.size >= MOST_VISITORS;
  }

  /** Whether the flow takes pictures. */
  set running(isRunning: boolean) {
    this.isOpen = isRunning;
    this.greetAll();
  }

  enter(socket: WebSocket): void {
    // Pending events are sent first, since the greeting already contains them.
    this.tell();
    const visitor = ++this.visitorCount;
    this.visitors.set(socket, visitor);
    const pace = new RateLimit(MESSAGES.burst, MESSAGES.perSecond);
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary || !pace.take()) socket.close(TOO_FAST, 'too many messages');
      else this.hear(visitor, data);
    });
    socket.once('close', () => {
      this.visitors.delete(socket);
      this.tellSoon();
    });
    this.greet(socket, visitor);
    this.tellSoon();
  }

  /** Disconnects all visitors, since the source is closing. */
  end(): void {
    clearTimeout(this.telling);
    for (const socket of this.visitors.keys()) socket.close(1001);
    this.visitors.clear();
  }

  private hear(visitor: number, data: Buffer): void {
    const { begin, stroke, points, undo, clear, ...pen } = readJsonMessage(data);
    const key = (number: unknown): string => `${visitor} ${Number(number)}`;
    if (isNumber(begin)) {
      const start = { key: key(begin), ...readPen(pen), points: readPoints(points) };
      this.sheet.begin(start.key, start, [...start.points]);
      this.happened(start);
    } else if (isNumber(stroke)) {
      const more = readPoints(points);
      this.sheet.extend(key(stroke), more);
      this.happened({ key: key(stroke), points: more });
    } else if (undo === true) {
      const taken = this.sheet.undo(visitor);
      if (taken !== undefined) this.happened({ undo: taken });
    } else if (isNumber(clear)) {
      this.sheet.clear(key(clear));
      this.happened({ key: key(clear), clear: true });
    }
  }

  private happened(event: Event): void {
    this.events.push(event);
    this.tellSoon();
  }

  private tellSoon(): void {
    this.telling ??= setTimeout(() => this.tell(), TELL_MS);
  }

  private tell(): void {
    clearTimeout(this.telling);
    this.telling = undefined;
    const { events } = this;
    this.events = [];
    const news = JSON.stringify({ events, visitors: this.visitors.size });
    for (const socket of this.visitors.keys()) send(socket, news);
  }

  /** Greets all visitors anew; pending events are dropped, since the greeting contains them. */
  private greetAll(): void {
    this.events = [];
    for (const [socket, visitor] of this.visitors) this.greet(socket, visitor);
  }

  private greet(socket: WebSocket, you: number): void {
    const { width, height } = this.format;
    const { below, strokes } = this.sheet.content;
    const visitors = this.visitors.size;
    send(socket, JSON.stringify({ you, width, height, paper: PAPER, strokes, visitors, running: this.isOpen, below: below !== undefined }));
    if (below) send(socket, below);
  }
}

function send(socket: WebSocket, data: string | Buffer): void {
  if (socket.readyState !== socket.OPEN) return;
  if (socket.bufferedAmount > MOST_WAITING) socket.terminate();
  else socket.send(data);
}

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value);

/** The eraser is a pen with the colour of the paper. */
function readPen({ colour, mirror }: { colour?: unknown; mirror?: unknown }): Pen {
  return { colour: typeof colour === 'string' && /^#[0-9a-f]{6}$/.test(colour) ? colour : PAPER, mirror: mirror === true };
}

/** The complete points of a message, with coordinates limited to a little outside the sheet. */
function readPoints(value: unknown): number[] {
  if (!Array.isArray(value)) return [];
  const numbers = value.slice(0, 3 * MOST_POINTS).map((part: unknown) => (typeof part === 'number' && Number.isFinite(part) ? part : 0));
  const within = (part: number, least: number, most: number): number => Math.round(Math.min(most, Math.max(least, part)));
  return numbers
    .slice(0, numbers.length - (numbers.length % 3))
    .map((part, k) => (k % 3 === 2 ? within(part, 10, UNITS / 2) : within(part, -UNITS, 2 * UNITS)));
}
