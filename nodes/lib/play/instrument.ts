import type { ModelWords } from '../../../engine/model/model-words';
import type { Painting } from '../common/painting';

/** The parts of a sink that a performance page plays on. */
export interface Instrument {
  /** Sends a message through the sink's second output. */
  send(msg: object): void;
  /** The settings of the nearest denoiser before the sink; undefined where there is none. */
  painting(): Painting | undefined;
  /** How a model reads these prompts, with the list of its words if `withList`. */
  words(model: string, texts: string[], withList: boolean): Promise<ModelWords>;
  show: Show;
}

/** The controls of the pictures themselves. */
export interface Show {
  state(): ShowState;
  blackout(on: boolean, fadeMs: number): void;
  freeze(on: boolean): void;
  /** Resolves to the snapshot's file and its address in the gallery, as far as the sink has these. */
  snapshot(): Promise<{ filename?: string; gallery?: string }>;
  /** Starts or stops a recording; resolves to its file. */
  record(on: boolean): Promise<string | undefined>;
  /** A small JPEG of the newest picture, if there is one. */
  thumbnail(): Promise<Buffer | undefined>;
}

export interface ShowState {
  blackout: boolean;
  freeze: boolean;
  recording: boolean;
}
