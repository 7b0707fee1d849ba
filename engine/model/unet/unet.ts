import { EngineError } from '../../errors';
import type { Net, Tensor } from '../../net/net';
import { floatsOf, tensorOf } from '../../net/tensor';
import type { Conditioning } from '../../prompt/conditioning';
import { wholeIn } from '../configs';
import { guidanceEmbedding } from './guidance-embedding';
import { checkDims, fixed, stack, unstack } from '../rows';
import { notesOnPorts, takesOneTimestep, type UnetPorts, unetPorts } from './unet-ports';

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
  /** What one should know about this export, in sentences. */
  readonly notes: string[];

  private readonly ports: UnetPorts;
  /** Rows a run, when the export fixed it. */
  private readonly batch: number | undefined;
  private readonly oneTimestep: boolean;
  /** Width of the embedding of the guidance. */
  private readonly guidanceWidth: number;
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
    this.ports = unetPorts(net);
    const { sample, hiddenStates, textEmbeds, guidance } = this.ports;
    this.latentChannels = fixed(sample.shape[1]) ?? wholeIn(config, 'in_channels', 4, 1, 1024);
    this.conditioningWidth = fixed(hiddenStates.shape[2]);
    this.takesPooled = textEmbeds !== undefined;
    this.guidanceWidth = fixed(guidance?.shape[1]) ?? wholeIn(config, 'time_cond_proj_dim', 256, 1, 65_536);
    this.batch = fixed(sample.shape[0]);
    this.oneTimestep = takesOneTimestep(this.ports);
    this.notes = notesOnPorts(this.ports, factor);
  }

  /** Calls of `predict` that may be under way at the same time without waiting for each other. */
  get instances(): number {
    return this.net.instances ?? 1;
  }

  /** Whether each picture size and number of rows is prepared for itself. */
  get fixesShapes(): boolean {
    return this.net.fixesShapes ?? false;
  }

  /** How many rows a run should have that prepares the net for runs of so many. */
  rowsToWarmUp(rows: number): number {
    return this.fixesShapes ? rows : 1;
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
    const run = async (indices: number[]): Promise<void> => {
      const together = indices.map((index) => rows[index]);
      const outputs = await this.run(together, height, width);
      indices.forEach((index, i) => (results[index] = outputs[i]));
    };
    const parts = this.net.parts?.() ?? 1;
    const runs = this.runs(rows, Math.ceil(rows.length / parts));
    if (parts > 1) await Promise.all(runs.map(run));
    else for (const indices of runs) await run(indices);
    return results;
  }

  /** Which rows go into which run of at most `most` rows. */
  private runs(rows: UnetRow[], most: number): number[][] {
    const groups = new Map<number, number[]>();
    rows.forEach(({ timestep }, index) => {
      const key = this.oneTimestep ? timestep : 0;
      groups.set(key, [...(groups.get(key) ?? []), index]);
    });
    const batch = Math.min(this.batch ?? Infinity, most);
    const slices = (group: number[]): number[][] =>
      group.length <= batch ? [group] : [group.slice(0, batch), ...slices(group.slice(batch))];
    return [...groups.values()].flatMap(slices);
  }

  private async run(rows: UnetRow[], height: number, width: number): Promise<Float32Array[]> {
    const { sample, timestep, output } = this.ports;
    const batch = this.batch ?? rows.length;
    const dims = [batch, this.latentChannels, height, width];
    checkDims('unet', sample, dims, this.factor);
    const outputs = await this.net.run({
      [sample.name]: tensorOf(
        sample.type,
        stack(
          rows.map((row) => row.sample),
          batch,
        ),
        dims,
      ),
      [timestep.name]: this.timesteps(rows, batch),
      ...this.attend(
        rows.map(({ conditioning }) => conditioning),
        batch,
      ),
      ...this.sizes(batch, height, width),
      ...this.guidances(rows, batch),
    });
    const prediction = outputs[output.name];
    if (prediction.dims.join() !== dims.join()) {
      throw new EngineError(
        'EBADMODEL',
        `unet gives [${prediction.dims.join(', ')}] for latents [${dims.join(', ')}]: it is no UNet of this model`,
      );
    }
    return unstack(floatsOf(prediction), batch, rows.length);
  }

  private timesteps(rows: UnetRow[], batch: number): Tensor {
    const { type, shape } = this.ports.timestep;
    if (shape.length === 0) return tensorOf(type, Float32Array.of(rows[0].timestep), []);
    const count = this.oneTimestep ? 1 : batch;
    const timesteps = rows.map(({ timestep }) => Float32Array.of(timestep));
    return tensorOf(type, stack(timesteps, count), [count]);
  }

  /** The picture's size before and after cropping, which is none: [H, W, 0, 0, H, W] in pixels for every row. */
  private sizes(batch: number, height: number, width: number): Record<string, Tensor> {
    const { timeIds } = this.ports;
    if (!timeIds) return {};
    const [H, W] = [height * this.factor, width * this.factor];
    const ids = stack([Float32Array.of(H, W, 0, 0, H, W)], batch);
    return { [timeIds.name]: tensorOf(timeIds.type, ids, [batch, 6]) };
  }

  private guidances(rows: UnetRow[], batch: number): Record<string, Tensor> {
    const { guidance: info } = this.ports;
    if (!info) return {};
    const embeddings = rows.map(({ guidance }) => guidanceEmbedding(guidance ?? 0, this.guidanceWidth));
    return { [info.name]: tensorOf(info.type, stack(embeddings, batch), [batch, this.guidanceWidth]) };
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
    const { hiddenStates: info, textEmbeds } = this.ports;
    checkDims('unet', info, dims, 1);
    const states = conditionings.map(({ hiddenStates }) => hiddenStates);
    const feeds = { [info.name]: tensorOf(info.type, stack(states, batch), dims) };
    if (textEmbeds) {
      const pooled = conditionings.flatMap((conditioning) => conditioning.pooled ?? []);
      if (pooled.length < conditionings.length)
        throw new EngineError('EBADPROMPT', 'this model needs an embedding of the whole prompt beside those of its tokens');
      feeds[textEmbeds.name] = tensorOf(textEmbeds.type, stack(pooled, batch), [batch, pooled[0].length]);
    }
    this.attended = { conditionings, feeds };
    return feeds;
  }
}
