import type { Node, NodeStatus } from 'node-red';

/** Looks up a text of the locale files, as `RED._` does. */
export type Translate = (key: string, values?: Record<string, string | number>) => string;

/** The texts that all nodes share are in the engine node's locale. */
const SHARED = '@streamdiffusion/node-red/engine:status.';

/** The shape and colour of the dot beside a node. */
const DOT_STYLES = {
  ready: { fill: 'green', shape: 'ring' },
  running: { fill: 'green', shape: 'dot' },
  busy: { fill: 'blue', shape: 'dot' },
  waiting: { fill: 'yellow', shape: 'ring' },
  stopped: { fill: 'grey', shape: 'ring' },
  error: { fill: 'red', shape: 'ring' },
} as const satisfies Record<string, NodeStatus>;

export type DotStyle = keyof typeof DOT_STYLES;

/**
 * A node's status line. Every `node.status()` goes to all open editors and Status nodes, so only the newest one is sent, at
 * most once a second, and only if it has changed.
 */
export class Status {
  private wanted: NodeStatus = {};
  private shown = '';
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly node: Pick<Node, 'status'>,
    private readonly translate: Translate,
    private readonly intervalMs = 1000,
  ) {}

  show(style: DotStyle, text: string): void {
    this.wanted = { ...DOT_STYLES[style], text };
    if (this.timer === undefined && !this.closed) this.send();
  }

  /** "loading 34 %"; without a share (0..1) just "loading". */
  loading(share?: number): void {
    const known = share !== undefined && Number.isFinite(share);
    this.show('busy', known ? this.shared('loadingPercent', { percent: Math.floor(share * 100) }) : this.shared('loading'));
  }

  /** "24 fps · 81 ms" */
  running(fps: number, latencyMs: number): void {
    const rate = fps >= 10 ? Math.round(fps) : Math.round(fps * 10) / 10;
    this.show('running', this.shared('running', { fps: rate, ms: Math.round(latencyMs) }));
  }

  /** "24 fps" */
  rate(fps: number): string {
    return this.shared('rate', { fps });
  }

  ready(text = this.shared('ready')): void {
    this.show('ready', text);
  }

  /** The node is idle because nobody watches. */
  resting(): void {
    this.show('ready', this.shared('resting'));
  }

  /** @param age of the last picture, which is held meanwhile, ms; null when there is none */
  restarting(age: number | null = null): void {
    const text = age === null ? this.shared('restarting') : this.shared('restartingAge', { seconds: Math.floor(age / 1000) });
    this.show('waiting', text);
  }

  /** Something else is missing, such as a server; the node tries again. */
  waitingFor(error: Error): void {
    this.show('waiting', shorten(briefly(error.message), 64));
  }

  /** The node is closed. @param opens when it opens again, ms since 1970 @param more a further text */
  outOfHours(opens?: number, more = ''): void {
    const text = opens === undefined ? this.shared('closed') : this.shared('closedUntil', { when: this.when(opens) });
    this.show('stopped', text + more);
  }

  stopped(): void {
    this.show('stopped', this.shared('stopped'));
  }

  /** Shows the beginning of the error's message, with short paths; the whole message belongs in `done(error)` or the log. */
  error(error: Error | string): void {
    this.show('error', shorten(briefly(typeof error === 'string' ? error : error.message), 40));
  }

  /** Shows nothing from now on. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private send(): void {
    this.timer = undefined;
    const key = JSON.stringify(this.wanted);
    if (key === this.shown) return;
    this.shown = key;
    this.node.status(this.wanted);
    this.timer = setTimeout(() => this.send(), this.intervalMs).unref();
  }

  /** The local time, with the day of the week if it is another day. */
  private when(at: number): string {
    const [time, now] = [new Date(at), new Date()];
    const clock = `${time.getHours()}:${String(time.getMinutes()).padStart(2, '0')}`;
    return time.toDateString() === now.toDateString()
      ? clock
      : `${this.shared('weekdays').split(' ')[time.getDay()] ?? ''} ${clock}`.trim();
  }

  private shared(key: string, values?: Record<string, number | string>): string {
    return this.translate(SHARED + key, values);
  }
}

/** A path of more than one part, but not that of an address such as http://host/a/b; its last part is captured. */
const PATH = /(?<![\w:./\\-])(?:[A-Za-z]:)?(?:[\\/][^\\/\s:;,]+)+([\\/][^\\/\s:;,]+)/g;
/** The name that ffmpeg puts before what one of its parts says. */
const TAG = /(^|: )\[[a-z][\w,]*\] /g;

/** An error's message for a status: only the last part of paths, and no tags, so that the reason is not cut off. */
function briefly(message: string): string {
  return message.replace(PATH, '…$1').replace(TAG, '$1');
}

/** The text on one line, cut to `length` characters with an ellipsis. */
export function shorten(text: string, length: number): string {
  const line = [...text.replace(/\s+/g, ' ').trim()];
  return line.length <= length
    ? line.join('')
    : `${line
        .slice(0, length - 1)
        .join('')
        .trimEnd()}…`;
}
