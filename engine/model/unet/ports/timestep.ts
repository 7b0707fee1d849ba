import { stackedTensor } from '../../../net/tensor';
import { fixed, pick } from '../../rows';
import { type ClaimPort, kept } from './port';

/** Fills the timestep of every row, [B]; in some exports one for all rows, [1] or a scalar. */
export const timestep: ClaimPort = ({ inputs, batch }) => {
  const info = pick('unet', inputs, 'input', ['timestep', 'timesteps']);
  const { name, type, shape } = info;
  const isSingle = (shape.length === 0 || fixed(shape[0]) === 1) && batch !== 1;
  return {
    inputs: [info],
    ...(isSingle && {
      notes: ['This unet takes one timestep per run, so different steps cannot share a run; an export without that limit is faster.'],
      keyOf: (row) => row.timestep,
    }),
    fill: kept(
      ({ rows }) => rows.map((row) => row.timestep),
      ({ rows, batch: count }) => {
        const values = rows.map((row) => Float32Array.of(row.timestep));
        const length = isSingle ? 1 : count;
        return { [name]: stackedTensor(type, values, length, shape.length === 0 ? [] : [length]) };
      },
    ),
  };
};
