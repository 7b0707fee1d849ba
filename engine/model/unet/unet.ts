import { EngineError } from '../../errors';
import type { Json } from '../../util/json-file';
import type { Net, TensorInfo } from '../../net/net';
import { type Place, placeOf } from '../../net/pool/place';
import { floatsOf } from '../../net/tensor';
import { wholeIn } from '../configs';
import { fixed, pick, unstack } from '../rows';
import { portsOf } from './ports';
import { hiddenStatesInput } from './ports/hidden-states';
import { type ClaimPort, type Feeds, inputNamed, type Port, runsOf } from './ports/port';
import { sampleInput } from './ports/sample';
import type { UnetRow } from './row';

/** ε_θ(x, t, c) for many rows at once, for any names, types and ranks in the export. */
export class Unet {
  readonly latentChannels: number;
  /** The width of the embeddings that the net attends to; undefined when the export leaves it free. */
  readonly conditioningWidth: number | undefined;
  /** Whether it also takes an embedding of the whole prompt and the picture size (SDXL). */
  readonly takesPooled: boolean;
  /** Notes on this export for users, in sentences. */
  readonly notes: string[];

  private readonly ports: readonly Port[];
  private readonly output: TensorInfo;
  /** Rows per run, where the export fixed it. */
  private readonly batch: number | undefined;

  /**
   * @param config for sizes that the net leaves free
   * @param factor picture size ÷ latent size
   * @param further the ports of adapters
   * @throws EBADMODEL when the net is not the UNet of a latent diffusion model, or has unknown inputs
   */
  constructor(
    private readonly net: Net,
    config: Json,
    factor: number,
    further: readonly ClaimPort[] = [],
  ) {
    const [sample, hiddenStates] = [sampleInput(net), hiddenStatesInput(net)];
    if (sample.shape.length !== 4 || hiddenStates.shape.length !== 3) {
      throw new EngineError(
        'EBADMODEL',
        'unet must take latents [B, C, h, w] and embeddings [B, tokens, width]; this is another kind of net',
      );
    }
    this.output = pick('unet', net.outputs, 'output', ['out_sample', 'sample']);
    this.batch = fixed(sample.shape[0]);
    this.ports = portsOf({ inputs: net.inputs, batch: this.batch, config, factor }, further);
    this.latentChannels = channelsOf(sample, this.output, config);
    this.conditioningWidth = fixed(hiddenStates.shape[2]);
    this.takesPooled = inputNamed(net, 'text_embeds') !== undefined;
    this.notes = this.ports.flatMap(({ notes = [] }) => notes);
  }

  get place(): Place {
    return placeOf(this.net);
  }

  /**
   * The raw output of the model for every row (ε, v or x0, by its prediction type), [C, h, w] each. Rows share a run where they
   * can.
   *
   * @throws EBADPARAM when the export is made for another size
   */
  async predict(rows: readonly UnetRow[]): Promise<Float32Array[]> {
    const results = new Array<Float32Array>(rows.length);
    const run = async (indices: number[]): Promise<void> => {
      const outputs = await this.run(indices.map((index) => rows[index]));
      indices.forEach((index, i) => (results[index] = outputs[i]));
    };
    const parts = this.place.parts();
    const runs = runsOf(this.ports, rows, Math.min(this.batch ?? Infinity, Math.ceil(rows.length / parts)));
    if (parts > 1) await Promise.all(runs.map(run));
    else for (const indices of runs) await run(indices);
    return results;
  }

  /** @param rows rows that can share one run */
  private async run(rows: UnetRow[]): Promise<Float32Array[]> {
    const batch = this.batch ?? rows.length;
    const { height, width } = rows[0].shape;
    const feeds: Feeds[] = await Promise.all(this.ports.map((port) => port.fill({ rows, batch, height, width })));
    const outputs = await this.net.run(Object.assign({}, ...feeds) as Feeds);
    const prediction = outputs[this.output.name];
    const dims = [batch, this.latentChannels, height, width];
    if (prediction.dims.join() !== dims.join()) {
      throw new EngineError(
        'EBADMODEL',
        `unet gives [${prediction.dims.join(', ')}] for latents [${dims.join(', ')}]: it is not a UNet of this model`,
      );
    }
    return unstack(floatsOf(prediction), batch, rows.length);
  }
}

/** The channels of the latents. @throws EBADMODEL for a net whose input has more channels than its output, as for inpainting */
function channelsOf(sample: TensorInfo, output: TensorInfo, config: Json): number {
  const taken = fixed(sample.shape[1]) ?? wholeIn(config, 'in_channels', fixed(output.shape[1]) ?? 4, 1, 1024);
  const given = fixed(output.shape[1]) ?? wholeIn(config, 'out_channels', taken, 1, 1024);
  if (given === taken) return given;
  throw new EngineError(
    'EBADMODEL',
    `unet takes ${taken} channels and gives ${given}: it was made for inpainting or the like and needs more than latents; use one for text to image`,
  );
}
