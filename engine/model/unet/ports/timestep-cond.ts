import { wholeIn } from '../../configs';
import { fixed } from '../../rows';
import { guidanceEmbedding } from '../guidance-embedding';
import { type ClaimPort, inputNamed, kept, portPerRow } from './port';

/** Fills a distilled model's embedding of each row's guidance, [B, D]; that of 0 stands for no guidance. */
export const timestepCond: ClaimPort = (unet) => {
  const info = inputNamed(unet, 'timestep_cond');
  if (!info) return undefined;
  const width = fixed(info.shape[1]) ?? wholeIn(unet.config, 'time_cond_proj_dim', 256, 1, 65_536);
  const port = portPerRow(info, ({ guidance = 0 }) => guidanceEmbedding(guidance, width));
  return {
    ...port,
    fill: kept(
      ({ rows }) => rows.map(({ guidance = 0 }) => guidance),
      (run) => port.fill(run),
    ),
    notes: [
      "This model was distilled to take its guidance as an input: with cfgType 'none', guidanceScale is that input; other types guide it from outside.",
    ],
  };
};
