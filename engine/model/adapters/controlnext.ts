import { EngineError } from '../../errors';
import { toTensor } from '../../image/pixels';
import type { Net, TensorInfo } from '../../net/net';
import { type NextPlace, withCrossNormalised } from '../../net/onnx/patches/features';
import { floatsOf, stackedTensor, tensorOf } from '../../net/tensor';
import { readHeader } from '../headers';
import { checkDims, fixed, stack, unstack } from '../rows';
import type { FamilyRole } from '../roles';
import { type ClaimPort, type Feeds, inputNamed, type Port, type Run, runsOf } from '../unet/ports/port';
import { timestep } from '../unet/ports/timestep';
import { type UnetRow, weightOf } from '../unet/row';
import type { Adapter, AdapterKind } from './adapter';
import { computedOnce, ControlPicture } from './control-picture';
import { crossNormalised } from './cross-normalised';
import { netFileOf } from './net-file';
import type { Residual } from './residual-sum';

interface ControlNext extends Adapter {
  role: FamilyRole;
  place: NextPlace;
  channels: number | undefined;
}

/**
 * ControlNeXts (arXiv 2408.06070): a small net computes one residual from the control picture and the timestep, which is added
 * to the UNet once, with the mean and deviation of the UNet's own values there. The adapter is a folder with model.onnx, or an
 * .onnx file.
 */
export const controlNexts: AdapterKind<ControlNext> = {
  kind: 'controlnext',

  async open(source) {
    const file = await netFileOf(source);
    if (!file) return undefined;
    const role: FamilyRole = `controlnext/${source.name}`;
    const { inputs, outputs } = await readHeader(role, file, source);
    const residual = residualOf(outputs);
    if (!residual || inputs.length !== 2 || !pictureOf(inputs) || !timestepOf(inputs)) return undefined;
    // Of the two published variants, the one for XL is added earlier.
    const isXl = source.headers.unet !== undefined && inputNamed(source.headers.unet, 'text_embeds') !== undefined;
    return {
      name: source.name,
      kind: 'controlnext',
      picture: 'frame',
      role,
      place: isXl ? 'convolution' : 'block',
      channels: fixed(residual.shape[1]),
      nets: { [role]: file },
      // Both sides of guidance share the residual.
      prepare: (picture) => Promise.resolve(new ControlPicture(toTensor(picture, '0..1'), true)),
    };
  },

  patches: (net, adapters) =>
    net !== 'unet'
      ? []
      : adapters.map(({ name, place, channels }) => ({
          name: `the ControlNeXt ${name}`,
          fingerprint: 'controlnext',
          apply(graph) {
            try {
              return withCrossNormalised(graph, inputOf(name), place, channels);
            } catch (thrown) {
              const { code, message } = EngineError.from(thrown, 'EBADMODEL');
              throw new EngineError(code, `the adapter "${name}": ${message}`, { cause: thrown });
            }
          },
        })),

  ports: (adapters, nets) => adapters.map((adapter) => portOf(adapter, nets[adapter.role])),
};

function inputOf(name: string): string {
  return `controlnext/${name}`;
}

function pictureOf(inputs: readonly TensorInfo[]): TensorInfo | undefined {
  return inputs.find(({ shape }) => shape.length === 4 && [3, undefined].includes(fixed(shape[1])));
}

function timestepOf(inputs: readonly TensorInfo[]): TensorInfo | undefined {
  return inputs.find(({ name, shape }) => /^timesteps?$/.test(name) && shape.length <= 1);
}

/** The output with the residual; some exports also output the scale that it was trained with. */
function residualOf(outputs: readonly TensorInfo[]): TensorInfo | undefined {
  const found = outputs.filter(({ shape }) => shape.length === 4);
  return found.length === 1 && outputs.every((info) => info === found[0] || info.shape.length <= 1) ? found[0] : undefined;
}

/** Fills the strength and the residual of a ControlNeXt for every row; a row that does not use it has strength 0. */
function portOf({ name, place }: ControlNext, net: Net | undefined): ClaimPort {
  return (unet) => {
    const [strength, control] = [inputNamed(unet, inputOf(name)), inputNamed(unet, `${inputOf(name)}/control`)];
    if (!strength || !control) return undefined;
    const next = net && new NextNet(name, net, unet.factor);
    const strengthOf = (row: UnetRow): number => (row.pictures?.[name] === undefined ? 0 : weightOf(row, name));
    return {
      inputs: [strength, control],
      async fill(run) {
        const { rows, batch, height, width } = run;
        const used = rows.filter((row) => strengthOf(row) !== 0);
        const residuals = next && used.length > 0 ? await next.residuals(used, run) : [];
        const of = new Map(used.map((row, k) => [row, residuals[k]]));
        const strengths = rows.map((row) => Float32Array.of(strengthOf(row) * (of.get(row)?.scale ?? 0)));
        const filled = { [strength.name]: stackedTensor(strength.type, strengths, batch, [batch]) };
        if (residuals.length === 0) {
          const channels = fixed(control.shape[1]) ?? 1;
          return { ...filled, [control.name]: tensorOf(control.type, new Float32Array(batch * channels), [batch, channels, 1, 1]) };
        }
        const [h, w] = place === 'block' ? [Math.ceil(height / 2), Math.ceil(width / 2)] : [height, width];
        const [channels] = residuals[0].dims;
        const values = rows.map((row) => {
          const residual = of.get(row);
          return residual ? crossNormalised(residual, [h, w], place === 'block') : new Float32Array(channels * h * w);
        });
        return { ...filled, [control.name]: stackedTensor(control.type, values, batch, [batch, channels, h, w]) };
      },
    };
  };
}

interface ScaledResidual extends Residual {
  scale: number;
}

/** The net itself; each of its rows is a picture and a timestep. */
class NextNet {
  private readonly output: TensorInfo;
  /** The output with the scale that it was trained with, where the export has it. */
  private readonly scale: TensorInfo | undefined;
  private readonly ports: readonly Port[];
  private readonly batch: number | undefined;

  constructor(
    private readonly name: string,
    private readonly net: Net,
    factor: number,
  ) {
    this.output = residualOf(net.outputs) as TensorInfo;
    this.scale = net.outputs.find((info) => info !== this.output);
    this.batch = fixed(pictureOf(net.inputs)?.shape[0]);
    const facts = { inputs: net.inputs, batch: this.batch, config: {}, factor };
    this.ports = [timestep, picturePort(name)].flatMap((claim) => claim(facts) ?? []);
  }

  /** The residual of every row, [C, h, w]; rows of one frame at one timestep, such as those of a negative prompt, are computed once. */
  residuals(rows: readonly UnetRow[], run: Run): Promise<ScaledResidual[]> {
    return computedOnce(
      rows,
      this.name,
      (row) => String(row.timestep),
      (fresh) => this.compute(fresh, run),
    );
  }

  private async compute(rows: readonly UnetRow[], { height, width }: Run): Promise<ScaledResidual[]> {
    const results = new Array<ScaledResidual>(rows.length);
    for (const indices of runsOf(this.ports, rows, this.batch ?? Infinity)) {
      const own = indices.map((index) => rows[index]);
      const batch = this.batch ?? own.length;
      const feeds: Feeds[] = await Promise.all(this.ports.map((port) => port.fill({ rows: own, batch, height, width })));
      const outputs = await this.net.run(Object.assign({}, ...feeds) as Feeds);
      const [, ...dims] = outputs[this.output.name].dims;
      const scale = this.scale ? floatsOf(outputs[this.scale.name])[0] : 1;
      unstack(floatsOf(outputs[this.output.name]), batch, own.length).forEach((data, k) => {
        results[indices[k]] = { data, dims, scale };
      });
    }
    return results;
  }
}

/** The control picture of every row's frame, [B, 3, H, W]. */
function picturePort(name: string): ClaimPort {
  return ({ inputs, factor }) => {
    const info = pictureOf(inputs);
    return (
      info && {
        inputs: [info],
        fill({ rows, batch, height, width }) {
          const pictures = rows.map((row) => ControlPicture.of(row, name).pixels);
          const dims = [batch, 3, height * factor, width * factor];
          checkDims(`the ControlNeXt ${name}`, info, dims, 1);
          return { [info.name]: tensorOf(info.type, stack(pictures, batch), dims) };
        },
      }
    );
  };
}
