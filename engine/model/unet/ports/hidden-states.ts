import type { TensorInfo } from '../../../net/net';
import { stackedTensor } from '../../../net/tensor';
import { checkDims, pick } from '../../rows';
import { type ClaimPort, kept, promptsOf, type UnetFacts } from './port';

/** The input for the embeddings that the UNet attends to, [B, tokens, width]. @throws EBADMODEL where there is none */
export function hiddenStatesInput({ inputs }: Pick<UnetFacts, 'inputs'>): TensorInfo {
  return pick('unet', inputs, 'input', ['encoder_hidden_states']);
}

/** Fills the prompts, one embedding per token: [B, tokens, width]. */
export const hiddenStates: ClaimPort = (unet) => {
  const info = hiddenStatesInput(unet);
  return {
    inputs: [info],
    keyOf: ({ conditioning: { tokens, width } }) => `${tokens}x${width}`,
    fill: kept(promptsOf, ({ rows, batch }) => {
      const { tokens, width } = rows[0].conditioning;
      const dims = [batch, tokens, width];
      checkDims('unet', info, dims, 1);
      const states = rows.map(({ conditioning }) => conditioning.hiddenStates);
      return { [info.name]: stackedTensor(info.type, states, batch, dims) };
    }),
  };
};
