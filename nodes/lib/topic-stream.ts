import type { HostStream } from '../../engine/host/client';
import type { ConditioningRequest, FrameRequest, FrameResult, LiveParams, StreamSettings, StreamStats } from '../../engine/host/messages';
import { withCode } from './input';

/** One stream on the host, and the settings that the flow wants for it. */
export class TopicStream {
  closed = false;
  /** Settings that are on their way. Any frame may be left out, so they ride on each one until one has arrived. */
  private unconfirmed: LiveParams = {};
  /** A conditioning that is on its way: a frame that is faster must not be denoised under the one before. */
  private arriving: ConditioningRequest | undefined;

  constructor(
    private readonly stream: HostStream,
    private wanted: StreamSettings,
  ) {}

  get settings(): StreamSettings {
    return this.wanted;
  }

  get stats(): StreamStats {
    return this.stream.stats;
  }

  async submit(frame: FrameRequest): Promise<FrameResult> {
    const conditioning = frame.conditioning ?? this.arriving;
    const request = conditioning ? { ...frame, conditioning } : frame;
    if (frame.params === undefined && Object.keys(this.unconfirmed).length === 0) return this.stream.submit(request);
    return this.deliver(frame.params, (params) => this.stream.submit({ ...request, params }));
  }

  async update(params: LiveParams): Promise<void> {
    return this.deliver(params, (all) => this.stream.update(all));
  }

  async setConditioning(conditioning: ConditioningRequest): Promise<void> {
    this.arriving = conditioning;
    try {
      await this.stream.setConditioning(conditioning);
    } finally {
      if (this.arriving === conditioning) this.arriving = undefined;
    }
  }

  async reset(): Promise<void> {
    return this.stream.reset();
  }

  async close(): Promise<void> {
    this.closed = true;
    return this.stream.close();
  }

  /** Sends new settings, and those that are still on their way; takes them back if the host says that they cannot work. */
  private async deliver<T extends FrameResult | void>(params: LiveParams | undefined, send: (all: LiveParams) => Promise<T>): Promise<T> {
    const before = this.wanted;
    const after = params ? { ...before, ...params } : before;
    const sent = { ...this.unconfirmed, ...params };
    this.wanted = after;
    this.unconfirmed = sent;
    try {
      const result = await send(sent);
      if (result?.outcome !== 'dropped') this.confirm(sent);
      return result;
    } catch (thrown) {
      if (withCode(thrown).code === 'EBADPARAM') {
        this.confirm(sent);
        if (this.wanted === after) this.wanted = before;
      }
      throw thrown;
    }
  }

  /** What was sent needs not be sent again, unless a newer value came meanwhile. */
  private confirm(sent: LiveParams): void {
    const names = Object.keys(this.unconfirmed) as (keyof LiveParams)[];
    this.unconfirmed = Object.fromEntries(names.filter((name) => this.unconfirmed[name] !== sent[name]).map((name) => [name, this.unconfirmed[name]]));
  }
}
