import type { HostClient } from '../../engine/host/client';
import type { ConditioningRequest, StreamSettings } from '../../engine/host/messages';
import { readParams } from './stream-settings';
import { TopicStream } from './topic-stream';
import { Topics } from './topics';

const MAX_STREAMS = 8;

/** The streams of one denoiser, one for each topic. A message without a topic that brings no frame is for all of them. */
export class DenoiserStreams {
  private conditioning: ConditioningRequest | undefined;
  private readonly topics: Topics<TopicStream>;

  /**
   * @param settings of streams to come
   * @param onProblem hears what goes wrong outside of a message
   */
  constructor(
    private readonly host: HostClient,
    private settings: StreamSettings,
    private readonly onProblem: (thrown: unknown) => void,
  ) {
    this.topics = new Topics(MAX_STREAMS, () => this.open(), (old) => void old.close().catch(onProblem));
  }

  /** The stream of a topic; opens it, and closes the one that rested longest when there are eight already. */
  get(topic: string): TopicStream {
    return this.topics.get(topic);
  }

  /** The mode of a topic's stream, or of the one that would be opened. */
  modeOf(topic: string): StreamSettings['mode'] {
    return (this.topics.peek(topic)?.settings ?? this.settings).mode;
  }

  get all(): TopicStream[] {
    return this.topics.concerned('');
  }

  /** Drops what is in flight on the topic's stream, or on all. */
  async reset(topic: string): Promise<void> {
    await Promise.all(this.topics.concerned(topic).map((stream) => stream.reset()));
  }

  /**
   * Takes over new settings that came without a frame.
   * @param params as in `msg.params`
   * @throws EBADPARAM before anything is changed; rejects with it when the host refuses them
   */
  async change(topic: string, params: unknown, conditioning: ConditioningRequest | undefined): Promise<void> {
    const concerned = topic === '' ? this.all : [this.get(topic)];
    const settings = params === undefined ? this.settings : { ...this.settings, ...readParams(params, this.settings) };
    const live = params === undefined ? [] : concerned.map((stream) => readParams(params, stream.settings));

    const before = { settings: this.settings, conditioning: this.conditioning };
    const after = topic === '' ? { settings, conditioning: conditioning ?? this.conditioning } : before;
    // At once, not after the host's answer: a frame that opens a stream meanwhile must start with the new settings.
    Object.assign(this, after);
    try {
      await Promise.all(live.map((each, k) => concerned[k].update(each)));
      if (conditioning) await Promise.all(concerned.map((stream) => stream.setConditioning(conditioning)));
    } catch (thrown) {
      if (this.settings === after.settings) Object.assign(this, before);
      throw thrown;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.topics.clear().map((stream) => stream.close()));
  }

  private open(): TopicStream {
    const stream = new TopicStream(this.host.openStream(this.settings), this.settings);
    if (this.conditioning) stream.setConditioning(this.conditioning).catch(this.onProblem);
    return stream;
  }
}
