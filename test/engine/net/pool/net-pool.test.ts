import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Net, Tensor } from '../../../../engine/net/net';
import { placeOf } from '../../../../engine/net/pool/place';
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
    assert.equal(placeOf(shared).concurrency, 2);
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

  it('tell when a member has nothing to do, and not while a follow-up is expected that would need it', async () => {
    const net = await pool.load([0, 1], DECODER, CPU);
    const place = placeOf(net);
    const busy = task();
    const other = pool.perform([0, 1], busy.work);
    const followUp = place.expectFollowUp();
    let isFree = false;
    const free = place.whenFree().then(() => (isFree = true));
    const someTurns = async (): Promise<void> => {
      for (let k = 0; k < 20; k++) await new Promise((resolve) => setImmediate(resolve));
    };
    await someTurns();
    assert.equal(isFree, false, 'one member is busy, and the other is for the follow-up');
    await net.run(latents(8));
    await free;
    const again = place.expectFollowUp();
    let isFreeAgain = false;
    const freeAgain = place.whenFree().then(() => (isFreeAgain = true));
    await someTurns();
    assert.equal(isFreeAgain, false);
    again.release();
    await freeAgain;
    followUp.release();
    busy.end();
    await other;
  });

  it('let who waits for a run that ends say that another follows', async () => {
    const net = await pool.load([0], DECODER, CPU);
    const place = placeOf(net);
    const order: string[] = [];
    const run = net.run(latents(8)).then(() => {
      order.push('run');
      const followUp = place.expectFollowUp();
      setImmediate(() => {
        order.push('follow-up');
        void net.run(latents(8)).then(() => order.push('its end'));
        followUp.release();
      });
    });
    await Promise.all([run, place.whenFree().then(() => order.push('free'))]);
    assert.deepEqual(order, ['run', 'follow-up', 'its end', 'free']);
  });

  it('divide the net that takes more time than all others together, and no other', async () => {
    const [large, small]: Net[] = await Promise.all([pool.load([0, 1], DECODER, CPU), pool.load([0, 1], DECODER, CPU)]);
    const parts = async (net: Net, wanted: number): Promise<number> => {
      // A run that a busy machine holds up seems to have computed for as long, so that one time alone may be wrong.
      for (let round = 1; ; round++) {
        placeOf(net).parts();
        await large.run(latents(256));
        await small.run(latents(8));
        const now = placeOf(net).parts();
        if (round >= 20 || (round >= 3 && now === wanted)) return now;
      }
    };
    assert.equal(await parts(large, 2), 2);
    assert.equal(await parts(small, 1), 1);
  });

  it('a net that cannot be opened leaves the pool as it was', async () => {
    await assert.rejects(pool.load([0, 1], join(REFERENCE_MODEL, 'model_index.json'), CPU), { code: 'EBADMODEL' });
    const net = await pool.load([1], DECODER, CPU);
    assert.ok((await net.run(latents(8))).sample);
    await net.close();
    await assert.rejects(net.run(latents(8)), { code: 'ECLOSED' });
  });
});
