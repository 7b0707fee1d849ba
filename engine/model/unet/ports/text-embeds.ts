import { EngineError } from '../../../errors';
import { type ClaimPort, inputNamed, kept, portPerRow, promptsOf } from './port';

/** Fills SDXL's embedding of the whole prompt, [B, D]. */
export const textEmbeds: ClaimPort = (unet) => {
  const info = inputNamed(unet, 'text_embeds');
  if (!info) return undefined;
  const port = portPerRow(info, ({ conditioning: { pooled } }) => {
    if (pooled) return pooled;
    throw new EngineError('EBADPROMPT', 'this model needs an embedding of the whole prompt besides those of its tokens');
  });
  return { ...port, fill: kept(promptsOf, (run) => port.fill(run)) };
};
