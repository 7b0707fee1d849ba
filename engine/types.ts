import type { NetName } from './model/roles';
import type { ArithmeticChoice, Int8Wish } from './net/ort/arithmetic-kinds';
import type { ServerAccess } from './net/server/options';

/** A decoded picture: interleaved RGB bytes, row-major, `data.length = width · height · 3`. */
export interface RawImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 3;
}

export type PredictionType = 'epsilon' | 'v_prediction' | 'sample';
export type CfgType = 'none' | 'full' | 'self' | 'initialize';
/** How one step leads to the next: as in a latent consistency model, or in one distilled by trajectory consistency. */
export type Scheduler = 'lcm' | 'tcd';
export type FollowNewest = 'none' | 'prompt' | 'all';

export interface EngineOptions {
  /** A model folder in the diffusers ONNX layout, or `'starter'` for the embedded model. */
  model: string;
  /**
   * ONNX Runtime execution providers, in order of preference. Default `['cpu']`. `['automatic']`: the fastest one that gives the
   * same results as the CPU, found by trying and remembered in STREAMDIFFUSION_CACHE.
   */
  executionProviders?: string[];
  /** CPU threads to compute with. Default: ONNX Runtime's choice, the number of physical cores. */
  intraOpNumThreads?: number;
  /** Whether nets are opened separately for every picture size. Default: only on providers that compile whole graphs (dml, coreml). */
  fixedShapes?: boolean;
  /** Whether nets whose folder has an int8.json compute in int8 on the CPU. Default `'auto'`: where exact and measured to be faster. */
  int8?: Int8Wish;
  /** The nets that run on an inference server instead of here. Default: none. */
  server?: ServerOptions;
  /**
   * The adapters that steer the model besides its prompt: paths of files or folders, by names of your choice. Their kinds are
   * read from the files. Default: none.
   */
  adapters?: Record<string, string>;
  /**
   * A folder whose `vae_encoder` and `vae_decoder` replace the model's, such as a tiny autoencoder. Default: the folder `autoencoder`
   * or `taesd` in the model's folder if there is one, otherwise the model's own.
   */
  autoencoder?: string;
}

/** Some nets of a model on a server of the Open Inference Protocol (KServe v2), such as NVIDIA Triton. */
export interface ServerOptions extends ServerAccess {
  /** The nets that run on the server; the others run here. Default `['unet']`. */
  nets?: NetName[];
  /** The prefix of the nets' names on the server, as in `starter_unet`. Default: the name of the model's folder. */
  prefix?: string;
}

export interface EngineInfo {
  model: string;
  executionProvider: string;
  vaeScaleFactor: number;
  latentChannels: number;
  predictionType: PredictionType;
  /** How nets that can compute in int8 do so, and why; undefined where there are none on the CPU. */
  arithmetic?: ArithmeticChoice;
  adapters: AdapterInfo[];
}

/** An adapter of an engine. Its strength (`weights`) and its picture (`pictures`, `images`) are given by its name. */
export interface AdapterInfo {
  name: string;
  kind: string;
  /** Where its picture comes from: every frame (`StreamInput.pictures`) or the prompt (`setPrompt({ images })`); undefined for none. */
  picture?: 'frame' | 'prompt';
}

/** Settings of a stream, with the names and defaults of the reference implementation. */
export interface StreamOptions {
  mode: 'img2img' | 'txt2img';
  /** Pixels, a multiple of the model's vaeScaleFactor. */
  width: number;
  height: number;
  /** Length of the full timestep schedule that `tIndexList` points into. Default 50. */
  numInferenceSteps?: number;
  /** The denoising steps, as ascending indices into the schedule: 0 is pure noise, the last index nearly clean. */
  tIndexList: number[];
  /** Guidance: none, full (two passes), or residual: self-negative, onetime-negative (`initialize`). Default `'self'`. */
  cfgType?: CfgType;
  /** Guidance scale γ; at 1 or below there is no guidance. Default 1.2. */
  guidanceScale?: number;
  /** Magnitude δ of the virtual residual noise. Default 1. */
  delta?: number;
  /** Whether fresh noise is added between the steps. Default true. */
  doAddNoise?: boolean;
  /** Default `'lcm'`. */
  scheduler?: Scheduler;
  /** With `tcd`: how much of the noise between two steps is fresh, 0 (none) to 1 (all, as with lcm). Default 0.3. */
  eta?: number;
  /** Whether frames at different steps share a UNet call (true, default), or each frame goes through all steps before the next. */
  useDenoisingBatch?: boolean;
  /** The number of frames that enter the batch together. Default 1. */
  frameBufferSize?: number;
  /** Seed of the noise, as in torch's CPU generator; -1 draws a new one for every frame. Default 2. */
  seed?: number;
  /** A blend of up to 8 noises instead of that of `seed`, with weights of any sum. Default: none. */
  seeds?: WeightedSeed[];
  /** How far the noise moves from frame to frame, 0..90 degrees; at 90 it is completely new every time. Default 0. */
  seedDrift?: number;
  /** How much the strength falls while the scene moves fully, 0..1, so that moving things stay sharper; img2img only. Default 0. */
  motionNoise?: number;
  /** How much of the last finished picture is laid over the next incoming one, 0..1; img2img only. Default 0. */
  feedback?: number;
  /** How much that picture grows each time, 0.5..2. Default 1. */
  feedbackZoom?: number;
  /** How much it turns each time, -180..180 degrees, clockwise. Default 0. */
  feedbackRotate?: number;
  /** How far it moves each time, right and down, as a part (-1..1) of its width and height. Default 0. */
  feedbackX?: number;
  feedbackY?: number;
  /** How much of the last finished latent is mixed into the next incoming one, 0..1; img2img only. Default 0. */
  latentFeedback?: number;
  /** How soft the border of a frame's mask is, inside its white area: a standard deviation of 0..64 pixels. Default 4. */
  maskFeather?: number;
  /**
   * Strength of each adapter by its name, any finite number: 1 is as trained, 0 is off and costs nothing. Adapters that are not
   * named keep theirs. Default: 1 each.
   */
  weights?: Record<string, number>;
  /**
   * The nets that work on control pictures compute one of this many frames, 1..64: those between reuse its result at the same
   * step, at their own strength. A number for all adapters, or numbers by their names; names that no adapter has mean nothing.
   * The first frame with a picture is computed, and the first at another size. Default 1: every frame.
   */
  controlEvery?: number | Record<string, number>;
  /**
   * Which newer settings a frame in flight follows:
   * - `none`: none, it is finished with the settings it entered with;
   * - `prompt` (default): the stream's prompt, as in the reference; a frame that came with a prompt of its own keeps it;
   * - `all`: all frames go on with the prompt, guidance and (where there are as many) steps of the newest one.
   *
   * The denoiser node has another default, `none`: in a flow, settings come with frames and hold for those they came with.
   *
   * The noise of a frame is drawn once, when it enters.
   */
  followNewest?: FollowNewest;
}

export type Prompt = ({ prompt: string; negativePrompt?: string } | { tokenIds: number[]; negativeTokenIds?: number[] }) & {
  /** Picture prompts, by the names of the engine's IP-Adapters; any size. */
  images?: Record<string, RawImage>;
};

/** A seed and its weight in a blend, 0 or more. */
export interface WeightedSeed {
  seed: number;
  weight: number;
}

export type FrameId = string | number;

export interface StreamInput {
  /** img2img: the picture; any size, resized to the stream's. */
  image?: RawImage;
  /**
   * Further pictures of this frame, by the names of the adapters that take them; any size, cropped like `image`. With img2img, `mask`
   * says where the frame is denoised: where it is white; where it is black, the incoming picture stays.
   */
  pictures?: Record<string, RawImage>;
  /** txt2img: x_T, [latentChannels, height/factor, width/factor]. Default: the stream's own noise. */
  latent?: Float32Array;
  /** Comes back with the frame. Default: a running number. */
  id?: FrameId;
  /** The prompt of this frame alone, instead of the stream's. */
  prompt?: Prompt;
  /** Settings of this frame alone, laid over the stream's. */
  params?: Partial<StreamOptions>;
}

export interface Output {
  id: FrameId;
  image: RawImage;
  /** x0 before decoding, [latentChannels, height/factor, width/factor]. */
  latent: Float32Array;
  /** Milliseconds from `process` to the finished picture. */
  latencyMs: number;
  /** The seed that was drawn for this frame, where the option is -1. */
  seed?: number;
}

export interface Stream {
  /** Sets the prompt of all frames to come that bring none, and of those in flight as `followNewest` says. */
  setPrompt(prompt: Prompt): Promise<void>;
  /** Changes options for the frames to come, and for those in flight as `followNewest` says. Rejects with EBADPARAM; the old options then stay. */
  update(live: Partial<StreamOptions>): Promise<void>;
  /** @returns the frames that this call finished, oldest first; none while the first ones are in flight */
  process(input?: StreamInput): Promise<Output[]>;
  /** Finishes all frames in flight. */
  flush(): Promise<Output[]>;
  close(): Promise<void>;
}
