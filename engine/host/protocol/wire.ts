/** The messages between Node-RED's process and an engine process. They hold structured-clone values only. */
import type { Answer } from '../../util/channel';
import type { Picture } from '../../image/picture';
import type { ErrorCode } from '../../errors';
import type { EngineInfo } from '../../types';
import type { PromptSpec, FrameRequest, FrameResult, HostSettings, LiveParams, StreamSettings } from './messages';

/** The requests, by name, with their parameters and results. */
export interface Methods {
  load: { params: HostSettings; result: { info: EngineInfo; warnings: string[] } };
  open: { params: { stream: number; settings: StreamSettings; safe: StreamSettings; conditioning?: PromptSpec }; result: void };
  submit: { params: { stream: number; frame: FrameRequest }; result: FrameResult };
  update: { params: { stream: number; params: LiveParams }; result: void };
  setConditioning: { params: { stream: number; conditioning: PromptSpec }; result: void };
  /** The answer to `wants`; undefined where the picture is no longer kept. */
  picture: { params: { id: string; picture: Picture | undefined }; result: void };
  reset: { params: { stream: number }; result: void };
  close: { params: { stream: number }; result: void };
}

export type Method = keyof Methods;

export type Order = { [M in Method]: { method: M; params: Methods[M]['params'] } }[Method];

export type Request = Order & { id: number };

export type Notification =
  /** Sent once a second unless the event loop is blocked: resident memory in bytes, the number of finished runs of nets, and how long the oldest run under way has taken, ms. */
  | { event: 'alive'; memory: number; runs: number; runningMs: number }
  | { event: 'progress'; net: string; loadedBytes: number; totalBytes: number }
  /** A submitted frame has left the waiting place: the next one may be sent. */
  | { event: 'taken'; stream: number }
  /** A prompt names this picture, which the process does not know or no longer keeps. */
  | { event: 'wants'; picture: string }
  /** The parts of a stream's new prompt that the model does not see; with a code, what the stream goes on without, and why. */
  | { event: 'warning'; stream: number; text: string; code?: ErrorCode };

export type Response = Answer;
