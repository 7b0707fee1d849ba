import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { acquireHost, type RemoteStream, releaseHost, stopAllHosts } from '../../../engine/host/client';
import type { FrameResult, HostState, StreamSettings } from '../../../engine/host/protocol/messages';
import type { Picture } from '../../../engine/image/picture';
import { become } from '../../lib/hosts';
import { jpegs } from '../../lib/pictures';
import { gone, isRunning } from '../../lib/processes';
import { PATIENCE, until } from '../../lib/until';

const STARTER = { model: 'starter' };
const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25, 40], cfgType: 'none' };
const conditioning = { prompt: [{ text: 'night, snow', weight: 1 }] };

/** Submits the frames one after the other without waiting for results, a little apart. */
async function submitAll(stream: RemoteStream, frames: Picture[], gap: number): Promise<PromiseSettledResult<FrameResult>[]> {
  const results: Promise<FrameResult>[] = [];
  for (const picture of frames) {
    results.push(stream.submit({ picture }));
    await new Promise((resolve) => setTimeout(resolve, gap));
  }
  return Promise.allSettled(results);
}

describe('host: the engine in a process of its own', () => {
  let frames: (Picture & { kind: 'encoded' })[];
  before(async () => {
    frames = await jpegs(12);
  });
  afterEach(() => stopAllHosts());

  it('paints a frame that had to wait as it was sent, whatever is drawn on its bytes meanwhile', async () => {
    const host = acquireHost(STARTER);
    const stream = host.openStream({ ...settings, tIndexList: [49], format: 'raw' });
    const paint = async (data: Buffer, change = (): void => undefined): Promise<Uint8Array> => {
      const painted = stream.submit({ picture: { kind: 'raw', data, width: 64, height: 64, channels: 3 } });
      change();
      const result = await painted;
      assert.ok(result.outcome === 'finished');
      return result.data;
    };
    const pixels = Buffer.alloc(64 * 64 * 3, 230);
    assert.notEqual(host.state.phase, 'ready', 'it waits here');
    const waited = await paint(pixels, () => pixels.fill(0));
    assert.deepEqual(waited, await paint(Buffer.alloc(64 * 64 * 3, 230)));
    releaseHost(host);
  });

  it('loads with progress, runs, and ends with its last user', async () => {
    const host = acquireHost(STARTER);
    const states: HostState[] = [];
    host.on('state', (state) => states.push(state));
    await become(host, 'ready');
    const nets = states.flatMap((state) => (state.phase === 'loading' ? [state.net] : []));
    for (const net of ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder']) assert.ok(nets.includes(net), `no progress of ${net}`);
    for (const state of states) if (state.phase === 'loading') assert.ok(state.loadedBytes <= state.totalBytes);

    const stream = host.openStream(settings);
    await stream.setConditioning(conditioning);
    const result = await stream.submit({ picture: frames[0] });
    assert.ok(result.outcome === 'finished');
    assert.deepEqual([result.width, result.height, result.format], [64, 64, 'jpeg']);
    assert.deepEqual([...result.data.subarray(0, 2)], [0xff, 0xd8]);
    assert.ok(result.latencyMs > 0 && result.latencyMs < PATIENCE);

    const pid = host.pid as number;
    assert.notEqual(pid, process.pid);
    assert.equal(acquireHost(STARTER), host, 'equal settings share one host');
    releaseHost(host);
    releaseHost(host);
    await gone(pid);
  });

  it('takes a refused change of a stream back as a whole, the strengths of adapters in it as well', async () => {
    const before = { ...settings, weights: { style: 0.3 } };
    const stream = acquireHost(STARTER).openStream(before);
    await stream.submit({ picture: frames[0] });
    await assert.rejects(stream.update({ width: 65, seed: 7, weights: { style: 0.6, depth: 0.5 } }), { code: 'EBADPARAM' });
    assert.deepEqual(stream.settings, before);
  });

  it('outlives a redeploy: taken again within the grace period it is the same process', async () => {
    const host = acquireHost(STARTER);
    await become(host, 'ready');
    const { pid } = host;
    releaseHost(host);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(acquireHost(STARTER).pid, pid);
    await new Promise((resolve) => setTimeout(resolve, 3500));
    assert.ok(isRunning(pid as number));
  });

  it('every frame settles once: finished in order, or dropped for a newer one', async () => {
    const stream = acquireHost(STARTER).openStream({ ...settings, width: 256, height: 256 });
    await stream.submit({ picture: frames[0] });
    const finished: number[] = [];
    const burst = await Promise.allSettled(
      Array.from({ length: 60 }, async (_, k) => {
        await new Promise((resolve) => setTimeout(resolve, 5 * k));
        const { outcome } = await stream.submit({ picture: frames[k % frames.length] });
        if (outcome === 'finished') finished.push(k);
        return outcome;
      }),
    );
    assert.ok(burst.every(({ status }) => status === 'fulfilled'));
    assert.deepEqual(
      finished,
      [...finished].sort((a, b) => a - b),
    );
    assert.equal(finished.at(-1), 59, 'the newest frame is never dropped');
    const { stats } = stream;
    assert.equal(stats.in, 61);
    assert.equal(stats.out, 1 + finished.length);
    assert.equal(stats.dropped, 60 - finished.length);
    assert.ok(stats.dropped > 0, 'frames came faster than the engine');
    assert.equal(stats.inFlight, 0, 'a still scene drains');
    assert.ok(stats.fps > 0 && stats.latencyMs > 0);
  });

  it('frame buffers fill, and a part of one does not wait for ever', async () => {
    const stream = acquireHost(STARTER).openStream({ ...settings, frameBufferSize: 2 });
    assert.equal((await stream.submit({ picture: frames[0] })).outcome, 'finished');
    const results: Promise<FrameResult>[] = [];
    for (const picture of frames.slice(0, 3)) {
      results.push(stream.submit({ picture }));
      // Otherwise the next one may take its place.
      await until(() => stream.untaken === 0);
    }
    for (const result of results) assert.equal((await result).outcome, 'finished');
  });

  it('live parameters hold from the next frame on, wrong ones leave the old', async () => {
    const stream = acquireHost(STARTER).openStream(settings);
    await stream.submit({ picture: frames[0] });
    await stream.update({ width: 96, format: 'png' });
    const result = await stream.submit({ picture: frames[0] });
    assert.ok(result.outcome === 'finished' && result.width === 96 && result.format === 'png');
    await assert.rejects(stream.update({ guidanceScale: NaN }), { code: 'EBADPARAM' });
    await assert.rejects(stream.update({ quality: 0 }), { code: 'EBADPARAM' });
    await assert.rejects(stream.update({ tIndexList: [99] }), { code: 'EBADPARAM' });
    assert.equal(stream.settings.tIndexList.length, 2);
    const updated = stream.update({ format: 'raw' });
    const next = await stream.submit({ picture: frames[1] });
    await updated;
    assert.ok(next.outcome === 'finished' && next.data.length === 96 * 64 * 3, 'a change holds for the frames that are submitted after it');
  });

  it('a conditioning of its own for one frame, another for all others', async () => {
    const stream = acquireHost(STARTER).openStream({ ...settings, format: 'raw', tIndexList: [10] });
    await stream.setConditioning(conditioning);
    const draw = async (own?: typeof conditioning) => {
      const result = await stream.submit({ picture: frames[0], conditioning: own });
      assert.ok(result.outcome === 'finished');
      return Buffer.from(result.data);
    };
    const night = await draw();
    const day = await draw({ prompt: [{ text: 'desert, day, sun', weight: 1 }] });
    assert.ok(!day.equals(night));
    assert.ok((await draw()).equals(night), 'the same frame, seed and prompt make the same picture');
  });

  it('bad pictures are refused one by one and the stream goes on', async () => {
    const stream = acquireHost(STARTER).openStream(settings);
    const torn = { kind: 'encoded' as const, data: frames[0].data.subarray(0, 200) };
    const empty = { kind: 'encoded' as const, data: new Uint8Array(0) };
    for (const picture of [torn, empty, undefined]) await assert.rejects(stream.submit({ picture }), { code: 'EBADFRAME' });
    assert.equal((await stream.submit({ picture: frames[0] })).outcome, 'finished');
    assert.equal(stream.stats.failed, 3);
  });

  it('two streams share one process and one model', async () => {
    const host = acquireHost(STARTER);
    const streams = [host.openStream(settings), host.openStream({ ...settings, mode: 'txt2img', seed: 9 })];
    const results = await Promise.all([submitAll(streams[0], frames, 30), submitAll(streams[1], frames, 30)]);
    for (const result of results.flat()) assert.equal(result.status, 'fulfilled');
    await streams[0].close();
    await assert.rejects(streams[0].submit({ picture: frames[0] }), { code: 'ECLOSED' });
    assert.equal((await streams[1].submit({})).outcome, 'finished');
  });

  it('reset drops what is in flight', async () => {
    const stream = acquireHost(STARTER).openStream({ ...settings, width: 256, height: 256, tIndexList: [0, 10, 20, 30, 40] });
    await stream.submit({ picture: frames[0] });
    // A picture takes several ticks. A busy machine may look away for as long, though not every time.
    const outcomes: string[] = [];
    while (outcomes.at(-1) !== 'dropped' && outcomes.length < 10) {
      const inFlight = stream.submit({ picture: frames[1] });
      await new Promise((resolve) => setTimeout(resolve, 15));
      await stream.reset();
      outcomes.push((await inFlight).outcome);
    }
    assert.equal(outcomes.at(-1), 'dropped', outcomes.join());
    assert.equal((await stream.submit({ picture: frames[2] })).outcome, 'finished');
  });

  it('options that this model cannot work with are heard at the frame, and better ones help', async () => {
    const stream = acquireHost(STARTER).openStream({ ...settings, width: 100 });
    await assert.rejects(stream.submit({ picture: frames[0] }), { code: 'EBADPARAM', message: /width/ });
    await stream.update({ width: 64 });
    assert.equal((await stream.submit({ picture: frames[0] })).outcome, 'finished');
  });

  it('computes at a lower priority than its parent', async function () {
    if (process.platform === 'win32') this.skip();
    const host = acquireHost(STARTER);
    await become(host, 'ready');
    const nice = (pid: number) => Number(execFileSync('ps', ['-o', 'ni=', '-p', String(pid)], { encoding: 'utf8' }));
    assert.ok(nice(host.pid as number) > nice(process.pid));
  });
});
