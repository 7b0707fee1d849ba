import { EngineError } from '../../errors';
import type { TensorInfo } from '../../net/net';
import { printable } from '../../util/quote';
import { fixed } from '../rows';
import type { ClaimPort } from '../unet/ports/port';
import { type UnetRow, weightOf } from '../unet/row';
import type { ControlNet } from './control-net';
import { residualSum } from './residual-sum';

/** The names that exports, and this package's own patch, give to a UNet's inputs for residuals; the one without a number is the middle's. */
const RESIDUAL =
  /^(control\/(down_\d+|mid)|input_control_(\d+|middle)|down_block_\d+(_additional_residual)?|mid_block_additional_residual)$/;

/** Whether an input of a UNet is for a residual. */
export function isResidual(name: string): boolean {
  return RESIDUAL.test(name);
}

/** The inputs of a UNet for residuals, in the order of its skip tensors, the middle's last; empty where it has none. */
function residualInputs(inputs: readonly TensorInfo[]): TensorInfo[] {
  const number = ({ name }: TensorInfo): number => Number(/\d+/.exec(name)?.[0] ?? Infinity);
  return inputs.filter(({ name }) => isResidual(name)).sort((a, b) => number(a) - number(b));
}

/**
 * The residuals of all ControlNets on all rows: r_j = Σ_k s_k·CN_k(x_t, t, text, picture_k)_j. A ControlNet is run only for
 * the rows that have a picture for it and a strength other than 0.
 */
export function controlPort(nets: readonly ControlNet[]): ClaimPort {
  return ({ inputs: all }) => {
    const inputs = residualInputs(all);
    if (inputs.length === 0 && nets.length === 0) return undefined;
    for (const net of nets) checkFit(net, inputs);
    return {
      inputs,
      async fill(run) {
        const wanted = nets.map((net) => ({ net, rows: run.rows.flatMap((row, index) => (uses(row, net) ? [index] : [])) }));
        const active = wanted.filter(({ rows }) => rows.length > 0);
        const added = await Promise.all(
          active.map(async ({ net, rows }) => ({
            name: net.name,
            rows,
            residuals: await net.residuals(rows.map((index) => run.rows[index])),
          })),
        );
        return Object.fromEntries(inputs.map((info, k) => [info.name, residualSum(info, k, added, run)]));
      },
    };
  };
}

function uses(row: UnetRow, { name }: ControlNet): boolean {
  return row.pictures?.[name] !== undefined && weightOf(row, name) !== 0;
}

/** @throws EBADMODEL where its residuals do not fit this UNet */
function checkFit({ name, outputs }: ControlNet, inputs: TensorInfo[]): void {
  const other = (how: string): EngineError =>
    new EngineError('EBADMODEL', `the ControlNet ${printable(name)} is for another model: ${how}; use one that was trained for this model`);
  if (outputs.length !== inputs.length) throw other(`it gives ${outputs.length} residuals, this UNet takes ${inputs.length}`);
  inputs.forEach(({ shape }, k) => {
    const [given, taken] = [fixed(outputs[k].shape[1]), fixed(shape[1])];
    if (given !== undefined && taken !== undefined && given !== taken)
      throw other(`its residual ${k + 1} has ${given} channels, this UNet takes ${taken}`);
  });
}
