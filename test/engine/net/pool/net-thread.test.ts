import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Tensor } from '../../../../engine/net/net';
import { NetThread } from '../../../../engine/net/pool/net-thread';
import { OnnxNet } from '../../../../engine/net/ort/onnx-net';
import { REFERENCE_MODEL } from '../../../lib/reference';

const DECODER = join(REFERENCE_MODEL, 'vae_decoder/model.onnx');
const CPU = { executionProvider: 'cpu', intraOpNumThreads: 1 };

function latents(height: number): Record<string, Tensor> {
  const data = Float32Array.from({ length: 4 * height * 8 }, (_, k) => Math.sin(k));
  return { latent_sample: { type: 'float32', data, dims: [1, 4, height, 8] } };
}

describe('a thread with nets of its own', () => {
  let thread: NetThread;
  beforeEach(() => {
    thread = new NetThread();
  });
  afterEach(() => thread.close());

  it('computes what the same net computes here, and leaves the feeds to their owner', async () => {
    const [there, here] = [await thread.load(DECODER, CPU), await OnnxNet.load(DECODER, CPU)];
    const feeds = latents(8);
    const copy = Float32Array.from(feeds.latent_sample.data as Float32Array);
    assert.deepEqual([there.inputs, there.outputs], [here.inputs, here.outputs]);
    assert.deepEqual(await there.run(feeds), await here.run(feeds));
    assert.deepEqual(feeds.latent_sample.data, copy);
    await here.close();
  });

  it('takes over the bytes that nobody needs afterwards, and computes the same', async () => {
    const net = await thread.load(DECODER, CPU);
    const expected = await net.run(latents(8));
    const { latent_sample } = latents(8);
    assert.deepEqual(await net.run({ latent_sample: { ...latent_sample, movable: true } }), expected);
    assert.equal(latent_sample.data.length, 0, 'they are moved, not copied');
  });

  it('copies what is a part of something, whoever needs it', async () => {
    const net = await thread.load(DECODER, CPU);
    const { latent_sample } = latents(8);
    const whole = new Float32Array(latent_sample.data.length + 1);
    whole.set(latent_sample.data as Float32Array, 1);
    const part = { ...latent_sample, data: whole.subarray(1), movable: true as const };
    assert.deepEqual(await net.run({ latent_sample: part }), await net.run(latents(8)));
    assert.equal(whole.length, latent_sample.data.length + 1);
    assert.deepEqual(whole.subarray(1), latent_sample.data);
  });

  it('leaves the calling thread free while a net runs', async () => {
    const net = await thread.load(DECODER, CPU);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const started = performance.now();
    await net.run(latents(1024));
    const elapsed = performance.now() - started;
    clearInterval(timer);
    assert.ok(elapsed > 20, `the run must take a while to show something, took ${elapsed} ms`);
    // A thread that is held up has none of them, and a busy machine fewer than one a millisecond.
    assert.ok(ticks > 2, `${ticks} ticks of a 1 ms timer in ${elapsed} ms`);
  });

  it('hands on the errors of its nets with their codes, and goes on', async () => {
    await assert.rejects(thread.load(join(REFERENCE_MODEL, 'model_index.json'), CPU), { code: 'EBADMODEL' });
    const net = await thread.load(DECODER, CPU);
    await assert.rejects(net.run({}), { code: 'EBADMODEL' });
    assert.ok((await net.run(latents(8))).sample);
  });

  it('answers every call, also those after the close of a net or of the thread', async () => {
    const [first, second] = [await thread.load(DECODER, CPU), await thread.load(DECODER, CPU)];
    const running = first.run(latents(64));
    await Promise.all([first.close(), first.close()]);
    assert.ok((await running).sample, 'a run under way ends first');
    await assert.rejects(first.run(latents(8)), { code: 'ECLOSED' });
    await thread.close();
    await assert.rejects(second.run(latents(8)), { code: 'EHOST' });
    await thread.close();
  });
});
