import type { HostClient, HostStream } from '../../engine/host/client';
import type { ConditioningRequest, StreamSettings } from '../../engine/host/messages';
import { readParams } from './stream-settings';
import { Topics } from './topics';

const MAX_STREAMS = 8;

/** The streams of one denoiser, one for each topic. A message without a topic that brings no frame is for all of them. */
export class DenoiserStreams {
  /** What a stream that is opened from now on starts with. */
  private toCome: { settings: StreamSettings; conditioning?: ConditioningRequest };
  private readonly topics: Topics<HostStream>;

  /**
   * @param settings of the dialog
   * @param onProblem hears what goes wrong outside of a message
   * @param onWarning hears what the model does not see of a prompt
   */
  constructor(
    private readonly host: HostClient,
    settings: StreamSettings,
    onProblem: (thrown: unknown) => void,
    private readonly onWarning: (text: string) => void,
  ) {
    this.toCome = { settings };
    this.topics = new Topics(MAX_STREAMS, (topic) => this.open(topic), (old) => void old.close().catch(onProblem));
  }

  /** The stream of a topic; opens it, and closes the one that rested longest when there are eight already. */
  get(topic: string): HostStream {
    return this.topics.get(topic);
  }

  /** The mode of a topic's stream, or of the one that would be opened. */
  modeOf(topic: string): StreamSettings['mode'] {
    return (this.topics.peek(topic)?.settings ?? this.toCome.settings).mode;
  }

  get all(): HostStream[] {
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
    const known = this.toCome.settings;
    const settings = params === undefined ? known : { ...known, ...readParams(params, known) };
    const live = params === undefined ? [] : concerned.map((stream) => readParams(params, stream.settings));

    const before = this.toCome;
    const after = topic === '' ? { settings, conditioning: conditioning ?? before.conditioning } : before;
    // At once, not after the host's answer: a frame that opens a stream meanwhile must start with the new settings.
    this.toCome = after;
    try {
      await Promise.all(live.map((each, k) => concerned[k].update(each)));
      if (conditioning) await Promise.all(concerned.map((stream) => stream.setConditioning(conditioning)));
    } catch (thrown) {
      if (this.toCome === after) this.toCome = before;
      throw thrown;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.topics.clear().map((stream) => stream.close()));
  }

  private open(topic: string): HostStream {
    const stream = this.host.openStream(this.toCome.settings, this.toCome.conditioning, topic);
    stream.onWarning = (text) => this.onWarning(topic === '' ? text : `${topic}: ${text}`);
    return stream;
  }
}
