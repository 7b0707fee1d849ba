import { basename } from 'node:path';
import type { WebSocket } from 'ws';
import type { ModelWords } from '../../../engine/model/model-words';
import { withCode } from '../common/input';
import { RateLimit } from '../common/rate-limit';
import type { Painting } from '../common/painting';
import { valuesOf } from './painting';
import { nameOf, SCENES, type Scene, type Scenes } from './scenes';
import { lineOf, KNOBS, type PlayValues, readSound, readValues, WEIGHT } from './values';
import { readJsonMessage } from '../web/json-message';

/** Settings go into the flow no more often than that, ms: knobs are turned faster than frames are rendered. */
const SEND_MS = 33;
/** How often to look what is rendered, while somebody has the page open, ms. */
const LOOK_MS = 500;
/** What somebody has just set counts until the flow has had time to take it over, ms; after that, what is rendered. */
const SETTLE_MS = 2000;
/** Messages of one page: more than a hand with ten knobs and a microphone make. */
const MESSAGES = { burst: 180, perSecond: 90 };
export const MOST_PLAYERS = 32;
const TOO_FAST = 1008;
/** A page that has not read so many bytes does not read any more. */
const MOST_WAITING = 2_000_000;

/** What a performance page plays on. */
export interface Instrument {
  /** Sends a message through the sink's second output. */
  send(msg: object): void;
  /** What is rendered for the sink; undefined where no denoiser stands before it. */
  painting(): Painting | undefined;
  /** What the model reads in these prompts; undefined where it cannot be said. */
  words(model: string, texts: string[], withList: boolean): Promise<ModelWords>;
  show: Show;
}

/** What is done with the pictures themselves. */
export interface Show {
  state(): ShowState;
  blackout(on: boolean, fadeMs: number): void;
  freeze(on: boolean): void;
  /** Resolves to its file, and its address in the gallery, as far as there are these. */
  snapshot(): Promise<{ filename?: string; gallery?: string }>;
  /** Resolves to the file's name. */
  record(on: boolean): Promise<string | undefined>;
  /** A small JPEG of the newest picture, if there is one. */
  thumbnail(): Promise<Buffer | undefined>;
}

export interface ShowState {
  blackout: boolean;
  freeze: boolean;
  recording: boolean;
}

/** What a page asks for; each part is optional. */
interface Order {
  /** Counts up; comes back when the order is obeyed, so that the page knows which values are newer than its own. */
  n?: unknown;
  set?: unknown;
  scene?: unknown;
  save?: unknown;
  clear?: unknown;
  blackout?: unknown;
  fade?: unknown;
  freeze?: unknown;
  snapshot?: unknown;
  record?: unknown;
  sound?: unknown;
}

/**
 * The controls of one sink, and all pages that have them open. What one page sets goes into the flow and to all pages; what
 * is painted, whoever set it, is shown on all of them.
 */
export class Desk {
  private readonly players = new Set<WebSocket>();
  private values: PlayValues = { params: {}, weights: {} };
  /** When a value was set here, by its name. */
  private readonly touched = new Map<string, number>();
  private shown: ShowState;
  private adapters: Painting['adapters'] = [];
  private model: string | undefined;
  /** A model that has no list of words. */
  private wordless: string | undefined;
  private pending: { prompt?: PlayValues['prompt']; params?: object } | undefined;
  private sentAt = -Infinity;
  private sending: NodeJS.Timeout | undefined;
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly instrument: Instrument,
    private readonly scenes: Scenes,
  ) {
    this.shown = instrument.show.state();
  }

  get isFull(): boolean {
    return this.players.size >= MOST_PLAYERS;
  }

  enter(socket: WebSocket): void {
    this.players.add(socket);
    this.looking ??= setInterval(() => this.look(), LOOK_MS).unref();
    this.look();
    const pace = new RateLimit(MESSAGES.burst, MESSAGES.perSecond);
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary || !pace.take()) return socket.close(TOO_FAST, 'too many messages');
      void this.hear(socket, data);
    });
    socket.once('close', () => {
      this.players.delete(socket);
      if (this.players.size > 0) return;
      clearInterval(this.looking);
      this.looking = undefined;
    });
    tell(socket, { knobs: KNOBS, weight: WEIGHT, values: this.values, scenes: this.scenes.all, show: this.shown, adapters: this.adapters });
    void this.tellWords([socket], true);
  }

  /** Tells all pages what has changed since: settings of the rendering, and what is done with the pictures. */
  look(now = performance.now()): void {
    const painting = this.instrument.painting();
    if (painting) this.follow(painting, now);
    const show = this.instrument.show.state();
    if (JSON.stringify(show) === JSON.stringify(this.shown)) return;
    this.shown = show;
    this.tellAll({ show });
  }

  close(): void {
    clearInterval(this.looking);
    clearTimeout(this.sending);
    this.pending = undefined;
    for (const socket of this.players) socket.close(1001);
    this.players.clear();
  }

  private async hear(socket: WebSocket, data: Buffer): Promise<void> {
    let order: Order = {};
    try {
      order = readJsonMessage(data);
      await this.obey(order);
    } catch (thrown) {
      const { code, message } = withCode(thrown);
      tell(socket, { error: { code, message } });
    }
    tell(socket, { n: typeof order.n === 'number' ? order.n : 0 });
  }

  private async obey({ set, scene, save, clear, blackout, fade, freeze, snapshot, record, sound }: Order): Promise<void> {
    const { show } = this.instrument;
    if (set !== undefined)
      this.set(
        readValues(
          set,
          this.adapters.map(({ name }) => name),
        ),
      );
    if (sound !== undefined) return this.instrument.send({ sound: readSound(sound) });
    if (isNumber(scene)) this.play(scene);
    if (isNumber(clear)) this.keep(clear, null);
    if (isNumber(save)) await this.save(save);
    if (typeof blackout === 'boolean') {
      show.blackout(blackout, typeof fade === 'number' && fade >= 0 && fade <= 60_000 ? fade : 0);
      this.send({ blackout });
    }
    if (typeof freeze === 'boolean') {
      show.freeze(freeze);
      this.send({ freeze });
    }
    this.look();
    if (snapshot === true) {
      const kept = await show.snapshot();
      this.send({ snapshot: true, ...kept });
      this.tellAll({ ...(kept.filename && { file: basename(kept.filename) }), ...(kept.gallery && { gallery: kept.gallery }) });
    }
    if (typeof record === 'boolean') {
      const file = await show.record(record);
      if (file) {
        this.send({ record, filename: file });
        this.tellAll({ file: basename(file) });
      }
    }
    this.look();
  }

  private set(values: PlayValues): void {
    this.take(values);
    const { prompt, params, weights } = values;
    const hasWeights = Object.keys(weights).length > 0;
    const hasParams = hasWeights || Object.keys(params).length > 0;
    this.pending = {
      ...this.pending,
      ...(prompt !== undefined && { prompt }),
      ...(hasParams && { params: { ...this.pending?.params, ...params, ...(hasWeights && { weights: { ...this.values.weights } }) } }),
    };
    this.sending ??= setTimeout(() => this.flush(), Math.max(0, this.sentAt + SEND_MS - performance.now()));
  }

  /** All of a scene goes into the flow at once. */
  private play(number: number): void {
    const scene = this.scenes.all[number];
    if (!scene) return;
    const { prompt, params } = scene;
    const weights = Object.fromEntries(
      Object.entries(scene.weights).filter(([name]) => this.adapters.some((adapter) => adapter.name === name)),
    );
    this.take({ ...(prompt !== undefined && { prompt }), params, weights });
    const all = { ...params, ...(Object.keys(weights).length > 0 && { weights: { ...this.values.weights } }) };
    this.send({ ...(prompt !== undefined && { prompt }), params: all, scene: number + 1 });
  }

  private async save(number: number): Promise<void> {
    const { prompt, params, weights } = structuredClone(this.values);
    const picture = await this.instrument.show.thumbnail().catch(() => undefined);
    const values = { ...(prompt !== undefined && { prompt }), params, weights };
    this.keep(number, { name: nameOf(values), ...values, ...(picture && { picture: picture.toString('base64') }) });
  }

  private keep(number: number, scene: Scene | null): void {
    if (!(number >= 0 && number < SCENES)) return;
    this.scenes.set(number, scene);
    this.tellAll({ scenes: this.scenes.all });
  }

  /** Takes values over that somebody set here, and shows them on all pages. */
  private take({ prompt, params, weights }: PlayValues): void {
    const now = performance.now();
    for (const name of [...Object.keys(params), ...Object.keys(weights).map((each) => `weight ${each}`)]) this.touched.set(name, now);
    if (prompt !== undefined) this.touched.set('prompt', now);
    this.change({ ...(prompt !== undefined && { prompt }), params, weights });
  }

  /** Takes over what is rendered, but for what was set here a moment ago. */
  private follow(painting: Painting, now: number): void {
    const isSettled = (name: string): boolean => now - (this.touched.get(name) ?? -Infinity) > SETTLE_MS;
    const { prompt, params, weights } = valuesOf(painting, this.values);
    const settled = (values: object, prefix = ''): Record<string, number> =>
      Object.fromEntries(Object.entries(values).filter(([name]) => isSettled(prefix + name)));
    this.change({
      ...(prompt !== undefined && isSettled('prompt') && { prompt }),
      params: settled(params),
      weights: settled(weights, 'weight '),
    });
    if (JSON.stringify(painting.adapters) !== JSON.stringify(this.adapters)) {
      this.adapters = painting.adapters;
      this.tellAll({ adapters: this.adapters });
    }
    if (painting.model !== this.model) {
      this.model = painting.model;
      void this.tellWords([...this.players], true);
    }
  }

  /** What of it is new. */
  private change({ prompt, params, weights }: PlayValues): void {
    const fresh = (values: Record<string, number>, old: Record<string, number>): Record<string, number> =>
      Object.fromEntries(Object.entries(values).filter(([name, value]) => old[name] !== value));
    const isNewPrompt = prompt !== undefined && JSON.stringify(prompt) !== JSON.stringify(this.values.prompt);
    const news = {
      ...(isNewPrompt && { prompt }),
      params: fresh(params, this.values.params),
      weights: fresh(weights, this.values.weights),
    };
    if (!isNewPrompt && Object.keys(news.params).length + Object.keys(news.weights).length === 0) return;
    this.values = {
      ...this.values,
      ...(isNewPrompt && { prompt }),
      params: { ...this.values.params, ...params },
      weights: { ...this.values.weights, ...weights },
    };
    this.tellAll({ values: news });
    if (isNewPrompt) void this.tellWords([...this.players]);
  }

  /** Behind what was set before it. */
  private send(msg: object): void {
    this.flush();
    this.instrument.send(msg);
  }

  private flush(): void {
    clearTimeout(this.sending);
    this.sending = undefined;
    const msg = this.pending;
    this.pending = undefined;
    if (!msg) return;
    this.sentAt = performance.now();
    this.instrument.send(msg);
  }

  /** What the model reads in the prompt, and at first all that it knows. */
  private async tellWords(sockets: WebSocket[], withList = false): Promise<void> {
    const { model, values } = this;
    if (model === undefined || model === this.wordless || sockets.length === 0) return;
    const line = lineOf(values.prompt ?? '');
    const answer = await this.instrument.words(model, [line], withList).catch(() => undefined);
    // A model that reads any text is not asked again and again.
    if (answer && !answer.reports) this.wordless = model;
    // A newer prompt has words of its own.
    if (!answer || line !== lineOf(this.values.prompt ?? '')) return;
    for (const socket of sockets)
      tell(socket, { words: { report: answer.reports?.[0] ?? null, ...(answer.known && { known: answer.known }) } });
  }

  private tellAll(news: object): void {
    for (const socket of this.players) tell(socket, news);
  }
}

const isNumber = (value: unknown): value is number => Number.isInteger(value);

function tell(socket: WebSocket, news: object): void {
  if (socket.readyState !== socket.OPEN) return;
  if (socket.bufferedAmount > MOST_WAITING) socket.terminate();
  else socket.send(JSON.stringify(news));
}
