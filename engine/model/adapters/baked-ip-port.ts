import { EngineError } from '../../errors';
import { stackedTensor, tensorOf } from '../../net/tensor';
import { checkDims, fixed } from '../rows';
import { type ClaimPort, type Feeds, inputNamed, kept, promptsOf, type Run } from '../unet/ports/port';
import { pictureStrength, type UnetRow } from '../unet/row';
import type { Adapter } from './adapter';
import { checkIpInputs, type IpInputs, ipInputsOf } from './ip-inputs';

/** An IP-Adapter in a UNet, completed by a folder. */
export interface BakedIpAdapter extends Adapter {
  /** The number of tokens for a picture (1 for an embedding), and their width. Undefined without a folder. */
  shape?: { count: number; width: number };
}

/**
 * Fills the inputs of a UNet with an IP-Adapter in it. Rows whose prompt has no picture get zeros at strength 0.
 *
 * @param adapter undefined where the UNet is only inspected
 */
export function bakedIpPort(adapter: BakedIpAdapter | undefined): ClaimPort {
  return ({ inputs }) => {
    const own = ipInputsOf(inputs);
    if (!own) return undefined;
    checkIpInputs(own);
    const { picture, scales } = own;
    const layers = scales?.shape.length === 1 ? fixed(scales.shape[0]) : 1;
    if (adapter) checkKnown(own, adapter);
    const name = adapter?.name ?? '';
    const strength = inputNamed({ inputs }, `ip/${name}`);
    const shown = kept(promptsOf, (run) => (own.form === 'joined' ? joined(own, adapter, run) : alone(own, adapter, run)));
    return {
      inputs: [picture, ...(scales ? [scales] : []), ...(strength ? [strength] : [])],
      notes: [
        'This unet has an IP-Adapter in it, which is computed with every frame; a separate one is skipped where no picture is shown.',
      ],
      ...(own.form === 'joined' && { keyOf: ({ conditioning: { tokens, width } }) => `${tokens}x${width}` }),
      fill(run) {
        const strengths = run.rows.map((row) => Float32Array.of(pictureStrength(row, name)));
        return {
          ...shown(run),
          ...(scales && {
            [scales.name]: tensorOf(scales.type, new Float32Array(layers ?? 1).fill(1), scales.shape.length === 1 ? [layers ?? 1] : []),
          }),
          ...(strength && { [strength.name]: stackedTensor(strength.type, strengths, run.batch, [run.batch]) }),
        };
      },
    };
  };
}

/** The tokens of the text, followed by those of the picture. */
function joined({ picture: info }: IpInputs, adapter: BakedIpAdapter | undefined, { rows, batch }: Run): Feeds {
  const { tokens, width } = rows[0].conditioning;
  const places = fixed(info.shape[1]);
  const count = adapter?.shape?.count ?? (places ?? tokens) - tokens;
  if (count < 0 || (places !== undefined && tokens + count !== places))
    throw new EngineError(
      'EBADMODEL',
      `unet takes ${places} tokens, where the text has ${tokens} and the picture of "${adapter?.name}" ${count}: this is not the IP-Adapter that it was exported with`,
    );
  const states = rows.map((row) => {
    const values = new Float32Array((tokens + count) * width);
    values.set(row.conditioning.hiddenStates);
    values.set(pictureOf(row, adapter) ?? [], tokens * width);
    return values;
  });
  const dims = [batch, tokens + count, width];
  checkDims('unet', info, dims, 1);
  return { [info.name]: stackedTensor(info.type, states, batch, dims) };
}

function alone({ picture: info, form }: IpInputs, adapter: BakedIpAdapter | undefined, { rows, batch }: Run): Feeds {
  const count = adapter?.shape?.count ?? (form === 'tokens' ? fixed(info.shape[1]) : 1) ?? 1;
  const width = adapter?.shape?.width ?? fixed(info.shape.at(-1)) ?? 1;
  const values = rows.map((row) => pictureOf(row, adapter) ?? new Float32Array(count * width));
  const dims = info.shape.length === 2 ? [batch, width] : [batch, count, width];
  checkDims('unet', info, dims, 1);
  return { [info.name]: stackedTensor(info.type, values, batch, dims) };
}

function pictureOf({ conditioning: { images } }: UnetRow, adapter: BakedIpAdapter | undefined): Float32Array | undefined {
  return adapter && images?.[adapter.name]?.tokens;
}

/** @throws EBADMODEL where the size of the input is unknown, so that it cannot be filled even without a picture */
function checkKnown({ picture: { name, shape }, form }: IpInputs, { shape: told }: BakedIpAdapter): void {
  const sizes = form === 'embedding' ? shape.slice(-1) : form === 'joined' ? shape.slice(1, 2) : shape.slice(1);
  if (told || sizes.every((size) => fixed(size) !== undefined)) return;
  throw new EngineError(
    'EBADMODEL',
    `unet has an IP-Adapter in it, and does not tell the size of what "${name}" takes, [${shape.join(', ')}]; give the engine the folder of that IP-Adapter as an adapter`,
  );
}
