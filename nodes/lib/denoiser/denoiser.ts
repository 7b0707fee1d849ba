import type { Node, NodeMessage, NodeMessageInFlow } from 'node-red';
import { EngineError } from '../../../engine/errors';
import type { EngineSupervisor, RemoteStream } from '../../../engine/host/client';
import type { PromptSpec, FrameRequest, FrameResult, HostState, LiveParams, StreamSettings } from '../../../engine/host/protocol/messages';
import { toPicture } from '../../../engine/image/picture';
import type { EngineInfo } from '../../../engine/types';
import { showDenoiser } from './status';
import { DenoiserStreams } from './streams';
import type { EngineNode, EngineUser } from '../engine/node';
import { ErrorThrottle } from '../common/error-throttle';
import { arrivalOf, putFrame } from '../common/frame-message';
import { withCode, type Send } from '../common/input';
import { forgetStreams, isPreviewOpen, keepNewest } from '../engine/live-streams';
import { hasPayload, isReset, isSettingsOnly, topicOf } from '../common/message';
import { readPictures } from '../common/pictures';
import { Safety, type SafetySettings } from './safety';
import { readConditioning, readPrompt } from '../prompt/texts';
import { engineReport, streamReport } from '../common/reports';
import type { Painting } from '../common/painting';
import { Rest } from '../common/rest';
import type { Status } from '../common/status';
import type { Tunable, Wish } from '../web/tuning-routes';
import { readParams } from './stream-settings';

/** Errors of frames that were lost with their engine process. */
const LOST = ['EHOST', 'ETIMEOUT', 'EMEMORY'];

/** What a denoiser node does between its start and its close. */
export class Denoiser implements EngineUser, Tunable {
  private readonly faults = new ErrorThrottle();
  private readonly host: EngineSupervisor;
  private readonly streams: DenoiserStreams;
  private readonly ticker: NodeJS.Timeout;
  private readonly rest: Rest | undefined;
  private readonly safety: Safety | undefined;
  private phase: HostState['phase'];
  private arrived = 0;
  /** Brings back the settings from before the dialog was opened. */
  private untuned: (() => Promise<void>) | undefined;
  /** The conditioning that came last, with a frame or without. */
  private newestConditioning: PromptSpec | undefined;
  private closed = false;

  /**
   * @param isSeen whether the pictures go where somebody may have a use for them; without it they always do
   * @param safety how unfit pictures are kept back; without it none is looked at
   * @throws EBADPARAM when the engine's own settings cannot work
   */
  constructor(
    private readonly node: Node,
    private readonly status: Status,
    private readonly engine: EngineNode,
    settings: StreamSettings,
    isSeen?: () => boolean,
    safety?: SafetySettings,
  ) {
    this.host = engine.register(this);
    this.phase = this.host.state.phase;
    this.streams = new DenoiserStreams(
      this.host,
      settings,
      (thrown) => node.warn(withCode(thrown)),
      (text, code) => (code ? node.error(new EngineError(code, text), {}) : node.warn(text)),
    );
    this.rest =
      isSeen &&
      new Rest(
        () => isSeen() || isPreviewOpen(),
        (msg, topic) => void this.paintHeld(msg, topic),
      );
    this.safety =
      safety &&
      new Safety(
        safety,
        () => this.modelFolder,
        (error) => this.tell(error),
      );
    this.ticker = setInterval(() => this.tick(), 1000).unref();
    this.showStatus();
  }

  onState(state: HostState): void {
    if (state.phase === 'ready' && this.phase !== 'ready') this.faults.clear();
    if (state.phase === 'restarting') this.tell(state.error);
    this.phase = state.phase;
    this.showStatus();
  }

  /** Handles one message; resolves when its frame was sent, was dropped, or its settings are taken over. */
  async take(msg: NodeMessageInFlow, send: Send): Promise<void> {
    const topic = topicOf(msg);
    if (isReset(msg)) {
      this.rest?.reset(topic);
      await this.streams.reset(topic);
    }
    if (this.bringsFrame(msg, topic)) await this.paint(msg, topic, send);
    else if (msg.params !== undefined || msg.conditioning !== undefined) {
      const conditioning = readOptionalConditioning(msg);
      await this.streams.change(topic, msg.params, conditioning);
      this.newestConditioning = conditioning ?? this.newestConditioning;
    } else if (!isReset(msg)) {
      throw new EngineError(
        'EBADPROMPT',
        'a denoiser does not read msg.prompt; send the message through a prompt encoder, which makes msg.conditioning of it',
      );
    }
  }

  /** What it renders at present, for those who show that. */
  painting(): Painting {
    const { state } = this.host;
    const { model, adapters = [] }: Partial<EngineInfo> = state.phase === 'ready' ? state.info : {};
    return {
      settings: this.streams.settings,
      adapters,
      ...(model !== undefined && { model }),
      ...(this.newestConditioning && { conditioning: this.newestConditioning }),
    };
  }

  async tune({ params, prompt, topic }: Wish): Promise<void> {
    if (topic !== undefined) {
      const conditioning = prompt === undefined ? undefined : { prompt: readPrompt(prompt, 'the prompt') };
      return this.streams.changeOne(topic, params, conditioning);
    }
    this.untuned ??= this.streams.remember();
    await this.streams.change('', params, undefined);
  }

  async endTuning(keep: boolean): Promise<void> {
    const { untuned } = this;
    this.untuned = undefined;
    if (!keep) await untuned?.();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.ticker);
    this.rest?.close();
    this.safety?.close();
    this.status.close();
    forgetStreams(this.node.id);
    await this.streams.close();
    await this.engine.deregister(this);
  }

  /** Text to image needs no picture: there any message makes a frame that is not there to change something. */
  private bringsFrame(msg: NodeMessage, topic: string): boolean {
    if (this.streams.modeOf(topic) === 'img2img') return !isSettingsOnly(msg);
    return !isReset(msg) && (hasPayload(msg) || msg.pictures !== undefined || !isSettingsOnly(msg));
  }

  /** Renders a frame, unless it may rest; its parameters hold either way. */
  private async paint(msg: NodeMessage, topic: string, send: Send): Promise<void> {
    const stream = this.streamOf(topic);
    if (!stream) return this.measure('dropped', msg, 1);
    const params: LiveParams = msg.params === undefined ? {} : readParams(msg.params, stream.settings);
    const request = requestOf(msg, { ...stream.settings, ...params });
    this.newestConditioning = request.conditioning ?? this.newestConditioning;
    const { state } = this.host;
    if (state.phase === 'failed') return this.faults.report(withCode(state.error));
    if (!this.rest?.takes(msg, topic)) return this.finish(msg, topic, stream, request, params, send);
    this.measure('dropped', msg, 1);
    await stream.update(params);
  }

  /** The stream of a frame; undefined when its topic is one too many, which the flow has been told. */
  private streamOf(topic: string): RemoteStream | undefined {
    try {
      return this.streams.get(topic);
    } catch (thrown) {
      this.faults.report(withCode(thrown));
      return undefined;
    }
  }

  /** Renders a frame that rested: its message has ended, and its parameters have been taken over. */
  private async paintHeld(msg: NodeMessage, topic: string): Promise<void> {
    try {
      const stream = this.streams.get(topic);
      await this.finish(msg, topic, stream, requestOf(msg, stream.settings), {}, (painted) => this.node.send(painted));
    } catch (thrown) {
      this.node.error(withCode(thrown), msg);
    }
  }

  private async finish(
    msg: NodeMessage,
    topic: string,
    stream: RemoteStream,
    request: FrameRequest,
    params: LiveParams,
    send: Send,
  ): Promise<void> {
    const arrival = arrivalOf(msg, this.arrived++);
    const result = await this.submit(stream, request, params);
    if (result?.outcome !== 'finished') return this.measure('dropped', msg, 1);
    this.measure('latency', msg, result.latencyMs);
    this.faults.clear();
    const shown = this.safety ? await this.safety.pass(result, topic) : result;
    if (!shown) return this.measure('dropped', msg, 1);
    keepNewest(this.node.id, topic, stream, {
      result: shown,
      picture: request.picture,
      conditioning: request.conditioning ?? stream.newestConditioning,
    });
    putFrame(msg, shown, arrival, topic);
    send(msg);
  }

  /** The frame's result, or undefined when it was lost for a reason that the flow need not (or already did) hear of. */
  private async submit(stream: RemoteStream, request: FrameRequest, params: LiveParams): Promise<FrameResult | undefined> {
    try {
      const [, result] = await Promise.all([stream.update(params), stream.submit(request)]);
      return result;
    } catch (thrown) {
      const error = withCode(thrown);
      if (error.code === 'EBADFRAME') throw error;
      if (error.code === 'ECLOSED' && (stream.closed || this.closed)) return undefined;
      if (LOST.includes(error.code) && isComing(this.host.state)) return undefined;
      this.faults.report(error);
      return undefined;
    }
  }

  private get modelFolder(): string | undefined {
    const { state } = this.host;
    return state.phase === 'ready' ? state.info.model : undefined;
  }

  /** For those who let Node-RED log metrics; it does so with nothing but the message's id. */
  private measure(event: 'latency' | 'dropped' | 'fps', msg: NodeMessage | undefined, value: number): void {
    if (this.node.metric()) this.node.metric(event, msg ?? {}, value);
  }

  private tick(): void {
    // Wires and what stands behind them may have changed.
    this.rest?.wake();
    this.showStatus();
    const { streams: _all, ...engine } = engineReport(this.host.report);
    const streams = this.streams.all.map(({ name, stats }) => streamReport(name, stats));
    this.measure(
      'fps',
      undefined,
      streams.reduce((sum, { fps }) => sum + fps, 0),
    );
    this.node.send([
      null,
      {
        topic: 'status',
        payload: {
          ...engine,
          fault: this.faults.current?.message,
          ...(this.rest && { resting: this.rest.isResting }),
          ...(this.safety && { safety: this.safety.report }),
          streams,
        },
      },
    ]);
  }

  /** An outage concerns no single message: Catch nodes hear of it once, whatever was in flight. */
  private tell(thrown: Error): void {
    const error = withCode(thrown);
    if (this.faults.isNews(error)) this.node.error(error, {});
  }

  private showStatus(): void {
    showDenoiser(
      this.status,
      this.host.state,
      this.faults.current,
      this.streams.all.map(({ stats }) => stats),
      this.rest?.isResting,
    );
  }
}

/** @throws EBADFRAME, EBADPROMPT */
function requestOf(msg: NodeMessage, { mode }: StreamSettings): FrameRequest {
  const conditioning = readOptionalConditioning(msg);
  return {
    ...(mode === 'img2img' && { picture: toPicture(msg.payload) }),
    ...(msg.pictures !== undefined && { pictures: readPictures(msg.pictures) }),
    ...(conditioning && { conditioning }),
  };
}

function readOptionalConditioning(msg: NodeMessage): ReturnType<typeof readConditioning> | undefined {
  return msg.conditioning === undefined ? undefined : readConditioning(msg.conditioning);
}

/** Whether the host is starting; until it is ready frames are dropped silently, and the status says why. */
function isComing(state: HostState): boolean {
  return state.phase === 'starting' || state.phase === 'loading';
}
