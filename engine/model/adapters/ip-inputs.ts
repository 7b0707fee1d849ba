import { EngineError } from '../../errors';
import type { TensorInfo } from '../../net/net';
import { fixed } from '../rows';
import { inputNamed } from '../unet/ports/port';

/** The inputs for a picture of a UNet with an IP-Adapter in it. */
export interface IpInputs {
  /**
   * - `joined`: tokens [B, text + picture, width], those of the picture after those of the text.
   * - `tokens`: the picture's tokens alone, [B, tokens, width].
   * - `embedding`: the image encoder's output, [B, E] or [B, 1, E]; the projection is in the UNet.
   */
  form: 'joined' | 'tokens' | 'embedding';
  picture: TensorInfo;
  /** The input for the strength: one number per layer, or one for all. */
  scales?: TensorInfo;
}

/** The name in StreamDiffusion's forks, with one number per layer. */
const SCALES = /^ip_?adapter_scales?$/;
/** The names that exporters give to diffusers' `added_cond_kwargs`, and to projected tokens. */
const PICTURE = /(?:^|[._/])(?:image_embeds|image_embeddings|image_tokens|ip_tokens)$/;

/** The inputs for an IP-Adapter that was exported as part of a UNet; undefined where there are none. */
export function ipInputsOf(inputs: readonly TensorInfo[]): IpInputs | undefined {
  const scales = inputs.find(({ name, shape }) => SCALES.test(name) && shape.length <= 1);
  const picture = inputs.find(({ name }) => PICTURE.test(name));
  const states = inputNamed({ inputs }, 'encoder_hidden_states');
  if (states?.shape.length !== 3) return undefined;
  if (!picture) return scales && { form: 'joined', picture: states, scales };
  return { form: isTokens(picture, states) ? 'tokens' : 'embedding', picture, ...(scales && { scales }) };
}

function isTokens({ name, shape }: TensorInfo, states: TensorInfo): boolean {
  if (shape.length !== 3 || fixed(shape[1]) === 1) return false;
  const width = fixed(shape[2]);
  return !name.endsWith('image_embeds') || (width !== undefined && width === fixed(states.shape[2]));
}

/** @throws EBADMODEL for inputs other than one embedding: several pictures, or all patches of one */
export function checkIpInputs({ form, picture: { name, shape } }: IpInputs): void {
  if (form !== 'embedding' || shape.length === 2 || (shape.length === 3 && (fixed(shape[1]) ?? 1) === 1)) return;
  throw new EngineError(
    'EBADMODEL',
    `unet takes "${name}" as [${shape.join(', ')}], where only one embedding of one picture is supported, [B, E] or [B, 1, E]; export the UNet without its IP-Adapter, and give that to the engine as an adapter`,
  );
}
