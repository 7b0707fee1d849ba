import { EngineError } from '../errors';
import type { Net, Tensor, TensorInfo } from '../net/net';
import { floatsOf, tensorOf } from '../net/tensor';
import type { Conditioning } from '../prompt/conditioning';
import { checkDims, fixed, pick, stack, unstack } from './rows';

/** One latent to be denoised: at its own timestep, under its own conditioning. */
export interface UnetRow {
  /** [C, h, w] */
  sample: Float32Array;
  timestep: number;
  conditioning: Conditioning;
}

/** ε_θ(x, t, c) for many rows at once, whatever names, types and ranks the export has chosen. */
export class Unet {
  readonly latentChannels: number;
  /** Width of the conditioning that the net attends to; undefined when its export leaves that free. */
  readonly conditioningWidth: number | undefined;
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
  /** Further inputs that are left out by zeros, and the width of their rows. */
  private readonly zeros: { info: TensorInfo; width: number }[] = [];
  private attended: { conditionings: Conditioning[]; tensor: Tensor } | undefined;

  /**
   * @param inChannels the config's word for what the net may leave free
   * @param factor picture size ÷ latent size, for messages
   * @throws EBADMODEL when the net is no UNet of a latent diffusion model, or needs inputs that are not known
   */
  constructor(
    private readonly net: Net,
    inChannels: number,
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
    this.latentChannels = fixed(this.sample.shape[1]) ?? inChannels;
    this.conditioningWidth = fixed(this.hiddenStates.shape[2]);
    this.batch = fixed(this.sample.shape[0]);
    const timesteps = this.timestep.shape.length === 0 ? 1 : fixed(this.timestep.shape[0]);
    this.oneTimestep = timesteps === 1 && this.batch !== 1;
    const otherwise = 'an export without that limit is faster.';
    if (this.oneTimestep) this.notes.push(`This unet takes one timestep a run, so steps cannot share a run; ${otherwise}`);
    if (this.batch !== undefined) this.notes.push(`This unet was exported for batches of ${this.batch}; ${otherwise}`);
    this.readOtherInputs();
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

  private readOtherInputs(): void {
    for (const info of this.net.inputs) {
      if ([this.sample, this.timestep, this.hiddenStates].includes(info)) continue;
      const width = fixed(info.shape[1]);
      if (info.name !== 'timestep_cond' || width === undefined) {
        throw new EngineError(
          'EBADMODEL',
          `unet needs the input "${info.name}", which belongs to another family of models (such as SDXL); use one shaped like Stable Diffusion 1 or 2`,
        );
      }
      // The guidance embedding of a full consistency model goes through a layer without bias: zeros leave it out.
      this.zeros.push({ info, width });
    }
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
      [this.hiddenStates.name]: this.attend(conditionings, batch),
    };
    for (const { info, width } of this.zeros) {
      feeds[info.name] = tensorOf(info.type, new Float32Array(batch * width), [batch, width]);
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

  /** The conditionings of a run as one tensor, [B, tokens, width]. Prompts change rarely, so the last one is kept. */
  private attend(conditionings: Conditioning[], batch: number): Tensor {
    const last = this.attended;
    const same = last?.conditionings.length === conditionings.length && last.conditionings.every((one, i) => one === conditionings[i]);
    if (same) return last.tensor;
    const [{ tokens, width }] = conditionings;
    if (conditionings.some((other) => other.tokens !== tokens || other.width !== width)) {
      throw new EngineError('EBADPROMPT', 'the conditionings of one run must have the same number of tokens and the same width');
    }
    const dims = [batch, tokens, width];
    checkDims('unet', this.hiddenStates, dims, 1);
    const states = conditionings.map(({ hiddenStates }) => hiddenStates);
    const tensor = tensorOf(this.hiddenStates.type, stack(states, batch), dims);
    this.attended = { conditionings, tensor };
    return tensor;
  }
}
