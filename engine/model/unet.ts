import { EngineError } from '../errors';
import type { Net, Tensor, TensorInfo } from '../net/net';
import { floatsOf, tensorOf } from '../net/tensor';
import type { Conditioning } from '../prompt/conditioning';
import { numberIn } from './configs';
import { guidanceEmbedding } from './guidance-embedding';
import { checkDims, fixed, fixedSize, pick, stack, unstack } from './rows';

/** One latent to be denoised: at its own timestep, under its own conditioning. */
export interface UnetRow {
  /** [C, h, w] */
  sample: Float32Array;
  timestep: number;
  conditioning: Conditioning;
  /** w = guidance scale − 1, for a model that was distilled to take it as an input. Default 0: none. */
  guidance?: number;
}

/** ε_θ(x, t, c) for many rows at once, whatever names, types and ranks the export has chosen. */
export class Unet {
  readonly latentChannels: number;
  /** Width of the conditioning that the net attends to; undefined when its export leaves that free. */
  readonly conditioningWidth: number | undefined;
  /** Whether it is conditioned on an embedding of the whole prompt and on the picture size as well (SDXL). */
  readonly takesPooled: boolean;
  /** Whether the net computes in half precision. */
  readonly isHalf: boolean;
  /** What one should know about this export, in sentences. */
  readonly notes: string[] = [];

  private readonly sample: TensorInfo;
  private readonly timestep: TensorInfo;
  private readonly hiddenStates: TensorInfo;
  private readonly output: TensorInfo;
  /** Rows a run, when the export fixed it. */
  private readonly batch: number | undefined;
  /** Whether the export knows one timestep a run only, so that rows at different steps cannot share one. */
  private readonly oneTimestep: boolean;
  private readonly textEmbeds: TensorInfo | undefined;
  private readonly timeIds: TensorInfo | undefined;
  private readonly guidance: { info: TensorInfo; width: number } | undefined;
  private attended: { conditionings: Conditioning[]; feeds: Record<string, Tensor> } | undefined;

  /**
   * @param config says what the net itself leaves free
   * @param factor picture size ÷ latent size
   * @throws EBADMODEL when the net is no UNet of a latent diffusion model, or needs inputs that are not known
   */
  constructor(
    private readonly net: Net,
    config: { in_channels?: unknown; time_cond_proj_dim?: unknown },
    private readonly factor: number,
  ) {
    this.sample = pick('unet', net.inputs, 'input', ['sample', 'latent']);
    this.timestep = pick('unet', net.inputs, 'input', ['timestep', 'timesteps']);
    this.hiddenStates = pick('unet', net.inputs, 'input', ['encoder_hidden_states']);
    this.output = pick('unet', net.outputs, 'output', ['out_sample', 'sample']);
    if (this.sample.shape.length !== 4 || this.hiddenStates.shape.length !== 3) {
      throw new EngineError(
        'EBADMODEL',
        'unet must take latents [B, C, h, w] and embeddings [B, tokens, width]; this is another kind of net',
      );
    }
    this.isHalf = this.sample.type === 'float16';
    this.latentChannels = fixed(this.sample.shape[1]) ?? numberIn(config, 'in_channels', 4);
    this.conditioningWidth = fixed(this.hiddenStates.shape[2]);
    this.batch = fixed(this.sample.shape[0]);
    const timesteps = this.timestep.shape.length === 0 ? 1 : fixed(this.timestep.shape[0]);
    this.oneTimestep = timesteps === 1 && this.batch !== 1;
    const otherwise = 'an export without that limit is faster.';
    if (this.oneTimestep) this.notes.push(`This unet takes one timestep a run, so steps cannot share a run; ${otherwise}`);
    if (this.batch !== undefined) this.notes.push(`This unet was exported for batches of ${this.batch}; ${otherwise}`);
    const size = fixedSize(this.sample.shape)?.map((side) => side * factor);
    if (size) this.notes.push(`This unet was exported for pictures of ${size[1]}×${size[0]} only.`);
    const others = new Map(net.inputs.map((info) => [info.name, info]));
    const take = (name: string): TensorInfo | undefined => {
      const info = others.get(name);
      others.delete(name);
      return info;
    };
    for (const { name } of [this.sample, this.timestep, this.hiddenStates]) take(name);
    this.textEmbeds = take('text_embeds');
    this.timeIds = take('time_ids');
    const guidance = take('timestep_cond');
    if (guidance) {
      this.guidance = { info: guidance, width: fixed(guidance.shape[1]) ?? numberIn(config, 'time_cond_proj_dim', 256) };
      this.notes.push("This model was distilled to take its guidance as an input: with cfgType 'none', guidanceScale is that input; other types guide it from outside.");
    }
    this.takesPooled = this.textEmbeds !== undefined;
    const [unknown] = others.keys();
    if (unknown !== undefined) {
      throw new EngineError(
        'EBADMODEL',
        `unet needs the input "${unknown}", which belongs to another family of models; use one shaped like Stable Diffusion 1, 2 or XL`,
      );
    }
  }

  /** How many rows a run should have that prepares the net for runs of so many. */
  rowsToWarmUp(rows: number): number {
    return this.net.fixesShapes ? rows : 1;
  }

  /**
   * The raw output of the model for every row (ε, v or x0, by its prediction type), [C, h, w] each.
   * All rows run together, as far as the export allows.
   *
   * @param height of the latents, h
   * @param width of the latents, w
   * @throws EBADPARAM when the export is made for another size; EBADPROMPT when the conditionings differ in shape
   */
  async predict(rows: UnetRow[], height: number, width: number): Promise<Float32Array[]> {
    const results = new Array<Float32Array>(rows.length);
    for (const indices of this.runs(rows)) {
      const together = indices.map((index) => rows[index]);
      const outputs = await this.run(together, height, width);
      indices.forEach((index, i) => (results[index] = outputs[i]));
    }
    return results;
  }

  /** Which rows go into which run. */
  private runs(rows: UnetRow[]): number[][] {
    const groups = new Map<number, number[]>();
    rows.forEach(({ timestep }, index) => {
      const key = this.oneTimestep ? timestep : 0;
      groups.set(key, [...(groups.get(key) ?? []), index]);
    });
    const batch = this.batch ?? Infinity;
    const slices = (group: number[]): number[][] =>
      group.length <= batch ? [group] : [group.slice(0, batch), ...slices(group.slice(batch))];
    return [...groups.values()].flatMap(slices);
  }

  private async run(rows: UnetRow[], height: number, width: number): Promise<Float32Array[]> {
    const batch = this.batch ?? rows.length;
    const dims = [batch, this.latentChannels, height, width];
    checkDims('unet', this.sample, dims, this.factor);
    const samples = rows.map(({ sample }) => sample);
    const conditionings = rows.map(({ conditioning }) => conditioning);
    const feeds: Record<string, Tensor> = {
      [this.sample.name]: tensorOf(this.sample.type, stack(samples, batch), dims),
      [this.timestep.name]: this.timesteps(rows, batch),
      ...this.attend(conditionings, batch),
      ...this.sizes(batch, height, width),
    };
    if (this.guidance) {
      const { info, width } = this.guidance;
      const embeddings = rows.map(({ guidance }) => guidanceEmbedding(guidance ?? 0, width));
      feeds[info.name] = tensorOf(info.type, stack(embeddings, batch), [batch, width]);
    }
    const outputs = await this.net.run(feeds);
    return unstack(floatsOf(outputs[this.output.name]), batch, rows.length);
  }

  private timesteps(rows: UnetRow[], batch: number): Tensor {
    const { type, shape } = this.timestep;
    if (shape.length === 0) return tensorOf(type, Float32Array.of(rows[0].timestep), []);
    const count = this.oneTimestep ? 1 : batch;
    const timesteps = rows.map(({ timestep }) => Float32Array.of(timestep));
    return tensorOf(type, stack(timesteps, count), [count]);
  }

  /** The picture's size before and after cropping, which is none: [H, W, 0, 0, H, W] in pixels for every row. */
  private sizes(batch: number, height: number, width: number): Record<string, Tensor> {
    if (!this.timeIds) return {};
    const [H, W] = [height * this.factor, width * this.factor];
    const ids = stack([Float32Array.of(H, W, 0, 0, H, W)], batch);
    return { [this.timeIds.name]: tensorOf(this.timeIds.type, ids, [batch, 6]) };
  }

  /** The conditionings of a run, [B, tokens, width] and [B, D]. Prompts change rarely, so the last tensors are kept. */
  private attend(conditionings: Conditioning[], batch: number): Record<string, Tensor> {
    const last = this.attended;
    const same = last?.conditionings.length === conditionings.length && last.conditionings.every((one, i) => one === conditionings[i]);
    if (same) return last.feeds;
    const [{ tokens, width }] = conditionings;
    if (conditionings.some((other) => other.tokens !== tokens || other.width !== width)) {
      throw new EngineError('EBADPROMPT', 'the conditionings of one run must have the same number of tokens and the same width');
    }
    const dims = [batch, tokens, width];
    checkDims('unet', this.hiddenStates, dims, 1);
    const states = conditionings.map(({ hiddenStates }) => hiddenStates);
    const feeds = { [this.hiddenStates.name]: tensorOf(this.hiddenStates.type, stack(states, batch), dims) };
    if (this.textEmbeds) {
      const pooled = conditionings.flatMap((conditioning) => conditioning.pooled ?? []);
      if (pooled.length < conditionings.length) throw new EngineError('EBADPROMPT', 'this model needs an embedding of the whole prompt beside those of its tokens');
      feeds[this.textEmbeds.name] = tensorOf(this.textEmbeds.type, stack(pooled, batch), [batch, pooled[0].length]);
    }
    this.attended = { conditionings, feeds };
    return feeds;
  }
}
