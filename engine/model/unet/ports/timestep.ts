import { tensorOf } from '../../../net/tensor';
import { fixed, pick, stack } from '../../rows';
import type { ClaimPort } from './port';

/** The timestep of every row, [B]; in some exports one for all rows, [1] or without a dimension. */
export const timestep: ClaimPort = ({ inputs, batch }) => {
  const info = pick('unet', inputs, 'input', ['timestep', 'timesteps']);
  const { name, type, shape } = info;
  const isSingle = (shape.length === 0 || fixed(shape[0]) === 1) && batch !== 1;
  return {
    inputs: [info],
    ...(isSingle && {
      notes: ['This unet takes one timestep a run, so steps cannot share a run; an export without that limit is faster.'],
      keyOf: (row) => row.timestep,
    }),
    fill({ rows, batch: count }) {
      const values = rows.map((row) => Float32Array.of(row.timestep));
      if (shape.length === 0) return { [name]: tensorOf(type, values[0], []) };
      const length = isSingle ? 1 : count;
      return { [name]: tensorOf(type, stack(values, length), [length]) };
    },
  };
};
