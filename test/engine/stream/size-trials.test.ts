import assert from 'node:assert/strict';
import { ALONE } from '../../../engine/net/pool/place';
import type { DiffusionStream } from '../../../engine/stream/diffusion-stream';
import { Engine } from '../../../engine/engine';
import type { EngineError } from '../../../engine/errors';
import type { Model } from '../../../engine/model/model';
import { Overtaken, SizeTrials, type TrialLimits } from '../../../engine/stream/size-trials';
import type { SharedUnet } from '../../../engine/stream/shared-unet';
import type { StreamSetup } from '../../../engine/diffusion/setup';
import type { RawImage, StreamOptions } from '../../../engine/types';

/** Sizes of the runs of a model that takes as long, and as much memory, as it is said to. */
function trialsOf(limits: TrialLimits, msOf: (area: number) => number): { trials: SizeTrials; runs: number[]; rows: number[] } {
  const runs: number[] = [];
  const rows: number[] = [];
  const model = {
    info: { latentChannels: 4, vaeScaleFactor: 8 },
    unet: { place: ALONE },
    textEncoder: { blank: async () => ({}) },
    requireEncoder: () => ({ encodePicture: async () => new Float32Array(0) }),
    vaeDecoder: {
      decodePicture: async (_: Float32Array, height: number, width: number) => {
        runs.push(height * width * 64);
        await new Promise((resolve) => setTimeout(resolve, msOf(height * width * 64)));
      },
    },
  };
  const unet = { predict: async (evaluations: unknown[]) => void rows.push(evaluations.length) };
  return { trials: new SizeTrials(model as unknown as Model, unet as unknown as SharedUnet, limits), runs, rows };
}

function setupOf(side: number, steps = 1, frameBufferSize = 1): StreamSetup {
  const shape = { height: side / 8, width: side / 8 };
  const options = { mode: 'img2img', width: side, height: side, frameBufferSize, tIndexList: Array.from({ length: steps }, (_, k) => k) };
  return {
    shape,
    options,
    denoising: { steps: options.tIndexList.map(() => ({ timestep: 1 })), cfgType: 'none', guidanceScale: 1 },
  } as unknown as StreamSetup;
}

const small = setupOf(128);

describe('trials of picture sizes', () => {
  it('a size is tried once for all streams, with few rows', async () => {
    const { trials, runs } = trialsOf({}, () => 0);
    await Promise.all([1, 2, 3].map(() => trials.ensure(small)));
    await trials.ensure(setupOf(128, 4));
    assert.deepEqual(runs, [128 ** 2]);
  });

  it('a change that would take too long is refused after small trials, and again without any', async () => {
    const { trials, runs } = trialsOf({ liveMs: 1000 }, (area) => 30 * (area / 256 ** 2));
    await trials.ensure(small);
    const change = { from: small, isOvertaken: () => false };
    await assert.rejects(trials.ensure(setupOf(8192), change), {
      code: 'EBADPARAM',
      message: /8192x8192 with 1 steps and a buffer of 1 would take about \d+ s a frame.*dialog/,
    });
    assert.ok(Math.max(...runs) <= 1024 ** 2, `${runs}`);
    const { length } = runs;
    await assert.rejects(trials.ensure(setupOf(8192), change), { code: 'EBADPARAM' });
    assert.equal(runs.length, length);
    await trials.ensure(setupOf(512), change);
    assert.equal(runs.at(-1), 512 ** 2, 'what is quick enough is taken');
  });

  it('a change that is not much more than what runs is taken, however slow the machine', async () => {
    const { trials } = trialsOf({ liveMs: 1 }, (area) => 20 * (area / 128 ** 2));
    await trials.ensure(small);
    await trials.ensure(setupOf(256), { from: small, isOvertaken: () => false });
  });

  it('an opening that would take minutes a frame is refused, with advice for it', async () => {
    const { trials } = trialsOf({ longestMs: 2000 }, (area) => 20 * (area / 256 ** 2));
    await assert.rejects(trials.ensure(setupOf(8192)), {
      code: 'EBADPARAM',
      message: /about \d+ s a frame on this machine, which is too long; choose fewer pixels/,
    });
  });

  it('is given up between two runs when newer settings come', async () => {
    let isOvertaken = false;
    const { trials, runs } = trialsOf({ liveMs: 10_000 }, (area) => {
      isOvertaken ||= area >= 512 ** 2;
      return 1;
    });
    await trials.ensure(small);
    await assert.rejects(trials.ensure(setupOf(2048), { from: small, isOvertaken: () => isOvertaken }), Overtaken);
    assert.ok(Math.max(...runs) < 1024 ** 2);
  });

  it('pixels, steps and buffer together are held to the memory, by trials of this model', async () => {
    const hoard: Buffer[] = [];
    const base = process.resourceUsage().maxRSS * 1024;
    // Memory is taken slowly where other programs want it, too: time is not what is tested.
    const { trials, runs } = trialsOf({ memory: base + 600e6, longestMs: Infinity }, (area) => {
      // Whatever this process has freed before must not hide what a run takes.
      while (process.memoryUsage.rss() < base + area * 100) hoard.push(Buffer.alloc(16e6, 1));
      return 0;
    });
    await assert.rejects(trials.ensure(setupOf(8192, 2, 8)), {
      code: 'EBADPARAM',
      message: /8192x8192 with 2 steps and a buffer of 8 would take about \d+ MiB of memory, and the engine may take \d+ MiB/,
    });
    assert.ok(Math.max(...runs) <= 2048 ** 2, `${runs}`);
    hoard.length = 0;
  });

  it('rows are approached from below as well', async () => {
    const { trials, rows } = trialsOf({}, () => 0);
    await trials.ensure(setupOf(1024, 4, 16));
    assert.deepEqual(
      rows.filter((count) => count > 1),
      [4, 16],
    );
  });

  it('newer settings win over those that are being prepared, also those that wait', async () => {
    const engine = await Engine.load({ model: 'starter' }, { limits: { liveMs: 60_000 } });
    const options: StreamOptions = { mode: 'img2img', width: 64, height: 64, tIndexList: [25], cfgType: 'none' };
    const stream: DiffusionStream = await engine.createStream(options);
    const image: RawImage = { data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 };
    const changes = [
      { width: 2048, height: 2048, seed: 7 },
      { width: 1536, height: 1536 },
      { width: 128, height: 128 },
    ].map((live) => stream.update(live));
    await Promise.all(changes);
    const { width, height, seed } = stream.options;
    assert.deepEqual([width, height, seed], [128, 128, 7], 'what no newer one says stays');
    const [output] = await stream.process({ image });
    assert.equal(output.image.width, 128);
    const refused = stream.update({ width: 8192, height: 8192, tIndexList: [99] });
    await assert.rejects(refused, (error: EngineError) => error.code === 'EBADPARAM');
    assert.equal(stream.options.width, 128);
    await engine.close();
  });
});
