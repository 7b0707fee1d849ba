import { EngineError, type ErrorCode } from '../../../engine/errors';
import type { EngineSupervisor, RemoteStream } from '../../../engine/host/client';
import type { LiveParams, PromptSpec, StreamSettings } from '../../../engine/host/protocol/messages';
import { LruCache } from '../../../engine/util/lru-cache';
import { RateLimit } from '../common/rate-limit';
import { shorten } from '../common/status';
import { readParams, STREAM_SETTINGS } from './stream-settings';
import { PerTopic } from '../common/per-topic';

const MAX_STREAMS = 8;
/** A stream whose last frame came within this time is in use and does not make room, ms. */
const AT_WORK_MS = 1000;
/** Every new topic opens a stream. A flow has a few; more than that is a mistake or an attack. */
const NEW_TOPICS = { burst: 24, perSecond: 1 };
/** Topics whose settings wait for frames, or for the next frame. */
const MAX_WAITING = 32;

/** What a stream is opened with. */
interface Start {
  settings: StreamSettings;
  conditioning?: PromptSpec;
  /** Somebody said so under this topic, and no frame of it has come. */
  isStranded?: boolean;
}

/**
 * The streams of one denoiser, one for each topic that frames come with. Settings open no stream: those of a topic without
 * frames wait for them; meanwhile the frames without a topic take them, see {@link PerTopic.concerned}.
 */
export class DenoiserStreams {
  /** What streams of unknown topics start with. */
  private toCome: Start;
  /** What known topics start with: they had settings before their first frame, or had to make room. */
  private readonly waiting = new LruCache<Start>(MAX_WAITING);
  private readonly topics: PerTopic<RemoteStream>;
  private readonly newTopics = new RateLimit(NEW_TOPICS.burst, NEW_TOPICS.perSecond);
  /** Topics of settings that no frames took; each is told once. */
  private readonly told = new LruCache<true>(MAX_WAITING);

  /**
   * @param dialog the settings there
   * @param onProblem hears what goes wrong outside of a message
   * @param onWarning hears what the model does not see of a prompt, whom settings do not reach, and, with a code, what a stream goes on without
   */
  constructor(
    private readonly host: EngineSupervisor,
    private readonly dialog: StreamSettings,
    onProblem: (thrown: unknown) => void,
    private readonly onWarning: (text: string, code?: ErrorCode) => void,
  ) {
    this.toCome = { settings: dialog };
    this.topics = new PerTopic(
      MAX_STREAMS,
      (topic) => this.open(topic),
      (old, topic) => {
        this.waiting.set(topic, { settings: old.settings, conditioning: old.newestConditioning });
        old.close().catch(onProblem);
      },
    );
  }

  /**
   * The stream of a frame's topic; opens it, in the place of another one when there are eight already.
   * @throws EBADPARAM when new topics come too fast, or all eight are at work
   */
  get(topic: string): RemoteStream {
    if (!this.topics.peek(topic)) this.checkNew();
    return this.topics.get(topic);
  }

  /** The mode of a topic's stream, or of the one that would be opened. */
  modeOf(topic: string): StreamSettings['mode'] {
    return this.startOf(topic).settings.mode;
  }

  /** The settings of the frames without a topic, else of the first topic that has frames. */
  get settings(): StreamSettings {
    const [first = ''] = this.topics.peek('') ? [''] : this.topics.names;
    return this.startOf(first).settings;
  }

  get all(): RemoteStream[] {
    return this.topics.all;
  }

  /** Drops what is in flight on the streams that a topic concerns. */
  async reset(topic: string): Promise<void> {
    await Promise.all(this.topics.concerned(topic).map((stream) => stream.reset()));
  }

  /**
   * Takes over new settings that came without a frame.
   * @param params as in `msg.params`
   * @throws EBADPARAM before anything is changed; rejects with it when the host refuses them
   */
  async change(topic: string, params: unknown, conditioning: PromptSpec | undefined): Promise<void> {
    const concerned = this.topics.concerned(topic);
    const live = params === undefined ? [] : concerned.map((stream) => this.read(params, stream.settings));
    const restore = this.changeStarts(topic, params, conditioning);
    this.tellStranded(topic);
    try {
      await Promise.all(live.map((each, k) => concerned[k].update(each)));
      if (conditioning) await Promise.all(concerned.map((stream) => stream.setConditioning(conditioning)));
    } catch (thrown) {
      restore();
      throw thrown;
    }
  }

  /**
   * Changes the stream of a topic alone, also that of the frames without one.
   * @throws ECLOSED when there is none, EBADPARAM
   */
  async changeOne(topic: string, params: unknown, conditioning: PromptSpec | undefined): Promise<void> {
    const stream = this.topics.peek(topic);
    if (!stream) throw new EngineError('ECLOSED', 'this stream is closed');
    if (params !== undefined) await stream.update(this.read(params, stream.settings));
    if (conditioning) await stream.setConditioning(conditioning);
  }

  /** Remembers what all streams are set to. Returns what brings it back, also for those that were opened since. */
  remember(): () => Promise<void> {
    const { settings } = this.toCome;
    const before = new Map(this.topics.all.map((stream) => [stream, stream.settings]));
    return async () => {
      this.toCome = { ...this.toCome, settings };
      await Promise.all(this.topics.all.map((stream) => stream.update(wayBack(stream.settings, before.get(stream) ?? settings))));
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.topics.clear().map((stream) => stream.close()));
  }

  /**
   * At once, not after the host's answer: a frame that opens a stream meanwhile must start with the new settings.
   * @returns takes it back
   */
  private changeStarts(topic: string, params: unknown, conditioning: PromptSpec | undefined): () => void {
    const changed = ({ settings, conditioning: before, ...rest }: Start): Start => ({
      ...rest,
      settings: params === undefined ? settings : { ...settings, ...this.read(params, settings) },
      conditioning: conditioning ?? before,
    });
    const { toCome } = this;
    const after = topic === '' ? changed(toCome) : toCome;
    const names = topic === '' ? this.waiting.keys : this.strangers(topic);
    const waiting = names.map((name) => {
      const before = this.waiting.get(name);
      const start = before ?? toCome;
      return { name, before, after: topic === '' ? unlessRefused(changed, start) : { ...changed(start), isStranded: name === topic } };
    });
    this.toCome = after;
    for (const start of waiting) this.waiting.set(start.name, start.after);
    return () => {
      if (this.toCome === after) this.toCome = toCome;
      for (const start of waiting) {
        if (this.waiting.get(start.name) !== start.after) continue;
        if (start.before) this.waiting.set(start.name, start.before);
        else this.waiting.delete(start.name);
      }
    };
  }

  /** Whose first frame the settings of a topic wait for: that of the topic itself, and of the frames without one. */
  private strangers(topic: string): string[] {
    return this.topics.peek(topic) ? [] : [topic, ''].filter((name) => !this.topics.peek(name));
  }

  private startOf(topic: string): Start {
    const stream = this.topics.peek(topic);
    if (stream) return { settings: stream.settings, conditioning: stream.newestConditioning };
    return this.waiting.get(topic) ?? this.toCome;
  }

  /** Refuses what the engine would refuse, as far as it has said by now in what steps its pictures grow and which adapters it has. */
  private read(params: unknown, current: StreamSettings): ReturnType<typeof readParams> {
    const { state } = this.host;
    return readParams(params, current, state.phase === 'ready' ? state.info : {});
  }

  private checkNew(): void {
    if (this.topics.restOfNext() < AT_WORK_MS) {
      throw new EngineError(
        'EBADPARAM',
        `frames come with more than ${MAX_STREAMS} topics at a time, each a stream of its own; those of the first ${MAX_STREAMS} are rendered, the others are left out`,
      );
    }
    if (!this.newTopics.take()) {
      throw new EngineError(
        'EBADPARAM',
        `frames come with ever new topics, and each opens a stream; more than ${NEW_TOPICS.perSecond} a second are left out: name streams, not frames, in msg.topic`,
      );
    }
  }

  private open(topic: string): RemoteStream {
    const { settings, conditioning } = this.startOf(topic);
    const stream = this.host.openStream(settings, conditioning, topic, this.dialog);
    stream.onGoneBack = () => this.goBack(topic);
    stream.onWarning = (text, code) => this.onWarning(topic === '' ? text : `${topic}: ${text}`, code);
    this.waiting.delete(topic);
    for (const name of this.waiting.keys) if (this.waiting.get(name)?.isStranded) this.tellStranded(name, [...this.topics.names, topic]);
    return stream;
  }

  /** What took too much memory is not to be tried again by the next stream. */
  private goBack(topic: string): void {
    this.toCome = { ...this.toCome, settings: this.dialog };
    for (const name of this.waiting.keys) this.waiting.delete(name);
    this.onWarning(
      `${topic === '' ? '' : `${shorten(topic.slice(0, 200), 40)}: `}the engine ran out of memory twice; the stream goes on under the settings of the dialog`,
    );
  }

  /** Settings that change nothing must not do so in silence. */
  private tellStranded(topic: string, frames = this.topics.names): void {
    if (topic === '' || frames.length === 0 || frames.includes(topic) || frames.includes('') || this.told.get(topic)) return;
    this.told.set(topic, true);
    const named = frames.map(quoted).join(', ');
    this.onWarning(
      `settings came with msg.topic ${quoted(topic)}, but frames come with ${named}: they wait for frames of their own topic. To reach all frames, send settings without a topic`,
    );
  }
}

/** What brings settings back to `before`: what those do not name is as it was where nobody named it. */
function wayBack(now: StreamSettings, before: StreamSettings): LiveParams {
  const unnamed = (Object.keys(now) as (keyof StreamSettings)[]).filter((name) => before[name] === undefined);
  const untouched = Object.keys(now.weights ?? {}).map((name) => [name, 1] as const);
  return {
    ...Object.fromEntries(unnamed.map((name) => [name, STREAM_SETTINGS[name].default])),
    ...before,
    ...(now.weights && { weights: { ...Object.fromEntries(untouched), ...before.weights } }),
  };
}

function quoted(topic: string): string {
  return `"${shorten(topic.slice(0, 200), 40)}"`;
}

/** What a stream would start with that is not there does not keep the others from a change. */
function unlessRefused(change: (start: Start) => Start, start: Start): Start {
  try {
    return change(start);
  } catch {
    return start;
  }
}
