import { EngineError } from '../../errors';
import type { Net, TensorInfo } from '../../net/net';
import { floatsOf, tensorOf } from '../../net/tensor';
import { printable } from '../../util/quote';
import type { Json } from '../../util/json-file';
import { checkDims, fixed, stack, unstack } from '../rows';
import { portsOf } from '../unet/ports';
import { type ClaimPort, type Feeds, inputNamed, type Port, runsOf } from '../unet/ports/port';
import { sampleInput } from '../unet/ports/sample';
import type { UnetRow } from '../unet/row';
import { computedOnce, ControlPicture } from './control-picture';
import type { Residual } from './residual-sum';

/**
 * A ControlNet (arXiv 2302.05543): from latents, prompts and a picture it computes residuals for a UNet's skip tensors and
 * middle block. Works with the exports of livepeer and StreamDiffusion's forks (`down_block_00` … `mid_block`), of Axodox and
 * TensorStack (`down_block_0_additional_residual` …, with a scale input) and of Amblyopius (two names for thirteen outputs), in
 * float32 and float16, with a free or a fixed batch.
 */
export class ControlNet {
  /** The residuals in the order of the UNet's skip tensors, the middle's last. */
  readonly outputs: readonly TensorInfo[];
  private readonly ports: readonly Port[];
  private readonly batch: number | undefined;

  /**
   * @param name the adapter's name
   * @param factor picture size ÷ latent size
   * @throws EBADMODEL for another kind of net
   */
  constructor(
    readonly name: string,
    private readonly net: Net,
    config: Json,
    factor: number,
  ) {
    this.outputs = inOrder(net.outputs);
    try {
      this.batch = fixed(sampleInput(net).shape[0]);
      this.ports = portsOf({ inputs: net.inputs, batch: this.batch, config, factor }, [controlPicture(name), scaleOfOne]);
    } catch (thrown) {
      throw this.named(thrown);
    }
    if (this.outputs.length > 1 && this.outputs.every(({ shape }) => shape.length === 4)) return;
    throw new EngineError(
      'EBADMODEL',
      `${printable(name)} gives ${net.outputs.length} tensors, where a ControlNet gives a residual for every skip tensor of the UNet and one for its middle`,
    );
  }

  /** @returns the residuals of every row, in the order of `outputs`; a row may share those of an earlier frame */
  async residuals(rows: readonly UnetRow[]): Promise<Residual[][]> {
    const placeOf = ({ timestep, place = '' }: UnetRow): string => `${timestep} ${place}`;
    return computedOnce(rows, this.name, placeOf, (fresh) => this.compute(fresh));
  }

  private async compute(rows: readonly UnetRow[]): Promise<Residual[][]> {
    const results = new Array<Residual[]>(rows.length);
    for (const indices of runsOf(this.ports, rows, this.batch ?? Infinity)) {
      const residuals = await this.run(indices.map((index) => rows[index]));
      indices.forEach((index, i) => {
        results[index] = residuals.map((each) => each[i]);
      });
    }
    return results;
  }

  /** @returns for every output, the residuals of the rows */
  private async run(rows: UnetRow[]): Promise<Residual[][]> {
    const batch = this.batch ?? rows.length;
    const { height, width } = rows[0].shape;
    try {
      const feeds: Feeds[] = await Promise.all(this.ports.map((port) => port.fill({ rows, batch, height, width })));
      const outputs = await this.net.run(Object.assign({}, ...feeds) as Feeds);
      return this.outputs.map(({ name }) => {
        const [, ...dims] = outputs[name].dims;
        return unstack(floatsOf(outputs[name]), batch, rows.length).map((data, k) => {
          // A residual that is kept is copied, so that it does not keep those of all other rows in memory.
          const isKept = batch > 1 && ControlPicture.of(rows[k], this.name).isShared;
          return { data: isKept ? data.slice() : data, dims };
        });
      });
    } catch (thrown) {
      throw this.named(thrown);
    }
  }

  /** Ports report errors of a UNet; this one is a ControlNet's. */
  private named(thrown: unknown): EngineError {
    const { code, message } = EngineError.from(thrown, 'EBADMODEL');
    return new EngineError(code, `the ControlNet ${printable(this.name)}: ${message}`, { cause: thrown });
  }
}

/** Sorted by the numbers in their names where all have one, otherwise in their own order: Amblyopius' exports name the second one wrongly. */
function inOrder(outputs: readonly TensorInfo[]): TensorInfo[] {
  const middle = outputs.filter(({ name }) => /mid/i.test(name));
  const numbered = outputs.filter(({ name }) => /down.*?\d/i.test(name));
  if (middle.length !== 1 || numbered.length !== outputs.length - 1) return [...outputs];
  const number = ({ name }: TensorInfo): number => Number(/\d+/.exec(name)?.[0]);
  return [...numbered.sort((a, b) => number(a) - number(b)), ...middle];
}

/** The control picture of every row's frame, [B, 3, H, W]. */
function controlPicture(name: string): ClaimPort {
  return (net) => {
    const taken = net.inputs.filter(({ shape }) => shape.length === 4);
    const info = inputNamed(net, 'controlnet_cond') ?? taken.find((each) => each !== sampleInput(net));
    if (!info) throw new EngineError('EBADMODEL', 'it has no input "controlnet_cond" for a picture, so it is not a ControlNet');
    return {
      inputs: [info],
      fill({ rows, batch, height, width }) {
        const dims = [batch, 3, height * net.factor, width * net.factor];
        checkDims('it', info, dims, 1);
        const pictures = rows.map((row) => ControlPicture.of(row, name).pixels);
        return { [info.name]: tensorOf(info.type, stack(pictures, batch), dims) };
      },
    };
  };
}

/** Fills a strength for all rows with 1: the rows' own strengths are applied to the residuals. */
const scaleOfOne: ClaimPort = (net) => {
  const info = inputNamed(net, 'conditioning_scale');
  return (
    info && {
      inputs: [info],
      fill({ batch }) {
        const dims = info.shape.map((size) => fixed(size) ?? batch);
        return { [info.name]: tensorOf(info.type, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1), dims) };
      },
    }
  );
};
