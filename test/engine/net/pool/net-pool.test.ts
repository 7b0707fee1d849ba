import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Net, Tensor } from '../../../../engine/net/net';
import { NetPool } from '../../../../engine/net/pool/net-pool';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { REFERENCE_MODEL } from '../../../lib/reference';
import { until } from '../../../lib/until';

const DECODER = join(REFERENCE_MODEL, 'vae_decoder/model.onnx');
const CPU = { executionProvider: 'cpu', intraOpNumThreads: 1 };

function latents(height: number): Record<string, Tensor> {
  const data = Float32Array.from({ length: 4 * height * 8 }, (_, k) => Math.sin(k));
  return { latent_sample: { type: 'float32', data, dims: [1, 4, height, 8] } };
}

/** Something to do that lasts until it is told to end. */
function task(): { work: (member: number) => Promise<number>; member: number | undefined; end: () => void } {
  let finish: (member: number) => void;
  const done = new Promise<number>((resolve) => (finish = resolve));
  const self = {
    member: undefined as number | undefined,
    work: (member: number) => {
      self.member = member;
      return done;
    },
    end: () => finish(self.member ?? -1),
  };
  return self;
}

describe('threads that share the work of the nets', () => {
  let pool: NetPool;
  beforeEach(() => {
    pool = new NetPool(2);
  });
  afterEach(() => pool.close());

  it('compute what the same net computes here, whichever runs it', async () => {
    const [shared, here] = [await pool.load([0, 1], DECODER, CPU), await OnnxNet.load(DECODER, CPU)];
    const expected = await here.run(latents(8));
    assert.equal(shared.concurrency, 2);
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => shared.run(latents(8)))), [expected, expected, expected]);
    await Promise.all([shared.close(), here.close()]);
  });

  it('give what waits, oldest first, to the member that is free first and may do it', async () => {
    const tasks = Array.from({ length: 4 }, task);
    const places = [[0, 1], [0, 1], [0], [1, 0]];
    const done = tasks.map(({ work }, k) => pool.perform(places[k], work));
    assert.deepEqual(
      tasks.map(({ member }) => member),
      [0, 1, undefined, undefined],
    );
    tasks[1].end();
    await until(() => tasks[3].member === 1);
    assert.equal(tasks[2].member, undefined);
    tasks[0].end();
    await until(() => tasks[2].member === 0);
    for (const { end } of tasks) end();
    assert.deepEqual(await Promise.all(done), [0, 1, 0, 1]);
  });

  it('a turn comes when a member has nothing to do, after what follows from the run that has just ended', async () => {
    const [first, second, third] = [task(), task(), task()];
    const begun = [pool.perform([0, 1], first.work), pool.perform([0, 1], second.work)];
    let granted = false;
    const turn = pool.turn([0, 1]).then(() => (granted = true));
    const following = begun[0].then(() => new Promise((resolve) => setImmediate(resolve))).then(() => pool.perform([0, 1], third.work));
    first.end();
    await until(() => third.member === 0);
    assert.equal(granted, false);
    second.end();
    await turn;
    third.end();
    await following;
  });

  it('divide the net that takes more time than all others together, and no other', async () => {
    const [large, small]: Net[] = await Promise.all([pool.load([0, 1], DECODER, CPU), pool.load([0, 1], DECODER, CPU)]);
    const parts = async (net: Net, heights: [large: number, small: number]): Promise<number> => {
      for (let round = 0; round < 3; round++) {
        net.parts?.();
        await large.run(latents(heights[0]));
        await small.run(latents(heights[1]));
      }
      return net.parts?.() ?? 0;
    };
    assert.equal(await parts(large, [256, 8]), 2);
    assert.equal(await parts(small, [256, 8]), 1);
  });

  it('a net that cannot be opened leaves the pool as it was', async () => {
    await assert.rejects(pool.load([0, 1], join(REFERENCE_MODEL, 'model_index.json'), CPU), { code: 'EBADMODEL' });
    const net = await pool.load([1], DECODER, CPU);
    assert.ok((await net.run(latents(8))).sample);
    await net.close();
    await assert.rejects(net.run(latents(8)), { code: 'ECLOSED' });
  });
});
