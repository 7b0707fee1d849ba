import { basename } from 'node:path';
import type { WebSocket } from 'ws';
import { withCode } from '../common/input';
import { RateLimit } from '../common/rate-limit';
import type { Painting } from '../common/painting';
import { FlowOutput } from './flow-output';
import type { Instrument, ShowState } from './instrument';
import { valuesOf } from './painting';
import { nameOf, SCENES, type Scene, type Scenes } from './scenes';
import { SharedValues } from './shared-values';
import { lineOf, KNOBS, type PlayValues, readSound, readValues, WEIGHT } from './values';
import { readJsonMessage } from '../web/json-message';

/** How often the rendered settings are read while somebody has the page open, ms. */
const LOOK_MS = 500;
/** The limit on messages of one page: more than a hand with ten knobs and a microphone makes. */
const MESSAGES = { burst: 180, perSecond: 90 };
export const MOST_PLAYERS = 32;
const TOO_FAST = 1008;
/** A page with this many unread bytes has stopped reading. */
const MOST_WAITING = 2_000_000;

/** A message of a page; each part is optional. */
interface Order {
  /** A number that counts up and is sent back when the order was obeyed, so that the page knows which values are newer than its own. */
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
 * The controls of one sink, and all pages that have them open. Values that one page sets go into the flow and to all pages; all
 * of them show the rendered settings, whoever set these.
 */
export class Desk {
  private readonly players = new Set<WebSocket>();
  private readonly values = new SharedValues();
  private readonly flow: FlowOutput;
  private shown: ShowState;
  private adapters: Painting['adapters'] = [];
  private model: string | undefined;
  /** The model, where it has no list of words. */
  private wordless: string | undefined;
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly instrument: Instrument,
    private readonly scenes: Scenes,
  ) {
    this.flow = new FlowOutput((msg) => instrument.send(msg));
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
    const values = this.values.current;
    tell(socket, { knobs: KNOBS, weight: WEIGHT, values, scenes: this.scenes.all, show: this.shown, adapters: this.adapters });
    void this.tellWords([socket], true);
  }

  /** Tells all pages what has changed: the rendered settings, and the state of the pictures. */
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
    this.flow.close();
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
    const adapters = this.adapters.map(({ name }) => name);
    if (set !== undefined) this.set(readValues(set, adapters));
    if (sound !== undefined) return this.instrument.send({ sound: readSound(sound) });
    if (isNumber(scene)) this.play(scene);
    if (isNumber(clear)) this.keep(clear, null);
    if (isNumber(save)) await this.save(save);
    if (typeof blackout === 'boolean') {
      show.blackout(blackout, typeof fade === 'number' && fade >= 0 && fade <= 60_000 ? fade : 0);
      this.flow.send({ blackout });
    }
    if (typeof freeze === 'boolean') {
      show.freeze(freeze);
      this.flow.send({ freeze });
    }
    this.look();
    if (snapshot === true) {
      const kept = await show.snapshot();
      this.flow.send({ snapshot: true, ...kept });
      this.tellAll({ ...(kept.filename && { file: basename(kept.filename) }), ...(kept.gallery && { gallery: kept.gallery }) });
    }
    if (typeof record === 'boolean') {
      const file = await show.record(record);
      if (file) {
        this.flow.send({ record, filename: file });
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
    this.flow.set({
      ...(prompt !== undefined && { prompt }),
      ...(hasParams && { params: { ...params, ...(hasWeights && { weights: { ...this.values.current.weights } }) } }),
    });
  }

  /** Sends a whole scene into the flow at once. */
  private play(number: number): void {
    const scene = this.scenes.all[number];
    if (!scene) return;
    const { prompt, params } = scene;
    const weights = Object.fromEntries(
      Object.entries(scene.weights).filter(([name]) => this.adapters.some((adapter) => adapter.name === name)),
    );
    this.take({ ...(prompt !== undefined && { prompt }), params, weights });
    const all = { ...params, ...(Object.keys(weights).length > 0 && { weights: { ...this.values.current.weights } }) };
    this.flow.send({ ...(prompt !== undefined && { prompt }), params: all, scene: number + 1 });
  }

  private async save(number: number): Promise<void> {
    const { prompt, params, weights } = structuredClone(this.values.current);
    const picture = await this.instrument.show.thumbnail().catch(() => undefined);
    const values = { ...(prompt !== undefined && { prompt }), params, weights };
    this.keep(number, { name: nameOf(values), ...values, ...(picture && { picture: picture.toString('base64') }) });
  }

  private keep(number: number, scene: Scene | null): void {
    if (!(number >= 0 && number < SCENES)) return;
    this.scenes.set(number, scene);
    this.tellAll({ scenes: this.scenes.all });
  }

  /** Takes over values that somebody set here, and shows them on all pages. */
  private take(values: PlayValues): void {
    this.tellValues(this.values.set(values));
  }

  /** Takes over what is rendered, except what was set here a moment ago. */
  private follow(painting: Painting, now: number): void {
    this.tellValues(this.values.follow(valuesOf(painting, this.values.current), now));
    if (JSON.stringify(painting.adapters) !== JSON.stringify(this.adapters)) {
      this.adapters = painting.adapters;
      this.tellAll({ adapters: this.adapters });
    }
    if (painting.model !== this.model) {
      this.model = painting.model;
      void this.tellWords([...this.players], true);
    }
  }

  private tellValues(news: PlayValues | undefined): void {
    if (!news) return;
    this.tellAll({ values: news });
    if (news.prompt !== undefined) void this.tellWords([...this.players]);
  }

  /** Tells pages how the model reads the prompt; with `withList` also the words that it knows. */
  private async tellWords(sockets: WebSocket[], withList = false): Promise<void> {
    const { model } = this;
    if (model === undefined || model === this.wordless || sockets.length === 0) return;
    const line = lineOf(this.values.current.prompt ?? '');
    const answer = await this.instrument.words(model, [line], withList).catch(() => undefined);
    // A model that reads any text is not asked again.
    if (answer && !answer.reports) this.wordless = model;
    // The report is outdated if there is a newer prompt by now.
    if (!answer || line !== lineOf(this.values.current.prompt ?? '')) return;
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
