import assert from 'node:assert/strict';
import type { UnetRow } from '../../../../engine/model/unet/row';
import { Unet } from '../../../../engine/model/unet/unet';
import type { Net, Tensor, TensorInfo } from '../../../../engine/net/net';

const shape = { height: 2, width: 2 };
const prompt = (level: number): UnetRow['conditioning'] => ({
  hiddenStates: new Float32Array(3 * 8).fill(level),
  tokens: 3,
  width: 8,
  pooled: new Float32Array(5).fill(level),
});
const row = (conditioning: UnetRow['conditioning'], timestep: number, guidance = 0): UnetRow => ({
  sample: Float32Array.from({ length: 16 }, (_, k) => k / 7),
  shape,
  timestep,
  conditioning,
  guidance,
});

/** Remembers what it is fed. */
function listening(fed: Record<string, Tensor>[]): Net {
  const info = (name: string, type: TensorInfo['type'], dims: (number | string)[]): TensorInfo => ({ name, type, shape: dims });
  return {
    inputs: [
      info('sample', 'float16', ['b', 4, 'h', 'w']),
      info('timestep', 'int64', ['b']),
      info('encoder_hidden_states', 'float16', ['b', 'tokens', 8]),
      info('text_embeds', 'float16', ['b', 5]),
      info('time_ids', 'float16', ['b', 6]),
      info('timestep_cond', 'float16', ['b', 16]),
    ],
    outputs: [info('out_sample', 'float16', ['b', 4, 'h', 'w'])],
    run: async (feeds) => {
      fed.push(feeds);
      return { out_sample: { ...feeds.sample, data: feeds.sample.data.slice() } };
    },
    close: async () => undefined,
  };
}

describe('inputs of a UNet', () => {
  const KEPT = ['timestep', 'encoder_hidden_states', 'text_embeds', 'time_ids', 'timestep_cond'];

  it('that do not change are made once: prompts, timesteps, sizes, guidance', async () => {
    const fed: Record<string, Tensor>[] = [];
    const unet = new Unet(listening(fed), {}, 8);
    const [a, b] = [prompt(1), prompt(2)];
    const two = [row(a, 400, 3), row(a, 200, 3)];
    // A stream of two rows, one of one row that takes turns with it, and the first again.
    for (const rows of [two, [row(b, 400)], two.map((each) => ({ ...each, sample: each.sample.slice() })), [row(b, 400)]])
      await unet.predict(rows);
    for (const name of KEPT) {
      assert.equal(fed[2][name], fed[0][name], name);
      assert.equal(fed[3][name], fed[1][name], name);
      assert.notEqual(fed[1][name], fed[0][name], name);
    }
    assert.notEqual(fed[2].sample, fed[0].sample);
  });

  it('are made anew where prompt, timestep, guidance, size or the order of rows is another one', async () => {
    const fed: Record<string, Tensor>[] = [];
    const unet = new Unet(listening(fed), {}, 8);
    const [a, b] = [prompt(1), prompt(2)];
    const changes: [UnetRow[], string[]][] = [
      [[row(a, 400), row(b, 200)], KEPT],
      [
        [row(b, 400), row(a, 200)],
        ['encoder_hidden_states', 'text_embeds'],
      ],
      [[row(b, 200), row(a, 400)], ['timestep']],
      [[row(b, 200, 2), row(a, 400)], ['timestep_cond']],
      [
        [row(b, 200, 2), row(a, 400)].map((each) => ({ ...each, sample: new Float32Array(4 * 8), shape: { height: 2, width: 4 } })),
        ['time_ids'],
      ],
    ];
    for (const [k, [rows, others]] of changes.entries()) {
      await unet.predict(rows);
      for (const name of KEPT) assert.equal(fed[k][name] !== fed[k - 1]?.[name], others.includes(name), `${name} in run ${k}`);
    }
    assert.deepEqual([...fed[1].timestep.data].map(Number), [400, 200]);
    assert.deepEqual([...fed[2].timestep.data].map(Number), [200, 400]);
    assert.equal(fed[1].text_embeds.data[0], fed[0].text_embeds.data[5]);
  });

  it('grow not without end while prompts change with every frame', async () => {
    const fed: Record<string, Tensor>[] = [];
    const unet = new Unet(listening(fed), {}, 8);
    const first = prompt(0);
    await unet.predict([row(first, 400)]);
    for (let k = 1; k < 100; k++) await unet.predict([row(prompt(k), 400)]);
    await unet.predict([row(first, 400)]);
    assert.notEqual(fed[100].encoder_hidden_states, fed[0].encoder_hidden_states);
    assert.deepEqual(fed[100].encoder_hidden_states, fed[0].encoder_hidden_states);
    assert.equal(fed[100].timestep, fed[0].timestep);
  });
});
