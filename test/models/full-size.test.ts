import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Engine } from '../../engine';
import { Model } from '../../engine/model/model';
import { inspectModel } from '../../engine/model/folder';
import type { RawImage } from '../../engine/types';

/** A model of the size of SD-Turbo, made by export_full_size.py; its folder in FULL_SIZE_MODEL. */
const folder = process.env.FULL_SIZE_MODEL;
const SIZE = 512;
const FRAMES = 3;
const MEMORY_LIMIT_GB = 12;

describe('a model of full size', function () {
  this.timeout(900_000);
  before(function () {
    if (folder) return;
    console.log('    skipped: FULL_SIZE_MODEL does not name a folder made by export_full_size.py (3.4 GB)');
    this.skip();
  });

  it('is looked into in a moment', async () => {
    const started = performance.now();
    const report = await inspectModel(folder ?? '');
    assert.deepEqual([report.usable, report.notes], [true, []]);
    assert.ok(performance.now() - started < 3000);
  });

  it(`streams ${SIZE}×${SIZE} frames within ${MEMORY_LIMIT_GB} GB, at no less than 0.9 of the bare nets' speed`, async () => {
    const bare = await bareSeconds();
    const engine = await Engine.load({ model: folder ?? '' });
    const stream = await engine.createStream({ mode: 'img2img', width: SIZE, height: SIZE, tIndexList: [35], cfgType: 'none' });
    await stream.setPrompt({ prompt: 'night over the sea' });
    const started = performance.now();
    for (let frame = 0; frame < FRAMES; frame++) {
      const [output] = await stream.process({ image: picture(frame) });
      assert.ok(output.latent.every(Number.isFinite));
      assert.equal(output.image.data.length, SIZE * SIZE * 3);
    }
    const streamed = (performance.now() - started) / 1000 / FRAMES;
    await engine.close();
    const peak = peakMemoryGb();
    console.log(`      ${streamed.toFixed(2)} s a frame, the nets alone ${bare.toFixed(2)} s, peak memory ${peak.toFixed(1)} GB`);
    assert.ok(bare / streamed >= 0.9);
    assert.ok(peak <= MEMORY_LIMIT_GB);
  });
});

/** Seconds a frame of a loop that only runs the nets. */
async function bareSeconds(): Promise<number> {
  const model = await Model.load({ model: folder ?? '' });
  const conditioning = await model.textEncoder.encodeText('night over the sea');
  const pixels = new Float32Array(3 * SIZE * SIZE).fill(0.5);
  const frame = async (): Promise<void> => {
    const sample = await model.vaeEncoder?.encode(pixels, SIZE, SIZE);
    assert.ok(sample);
    const [latent] = await model.unet.predict([{ sample, timestep: 259, conditioning }], SIZE / 8, SIZE / 8);
    await model.vaeDecoder.decode(latent, SIZE / 8, SIZE / 8);
  };
  await frame();
  const started = performance.now();
  for (let i = 0; i < FRAMES; i++) await frame();
  const seconds = (performance.now() - started) / 1000 / FRAMES;
  await model.close();
  return seconds;
}

function picture(frame: number): RawImage {
  const data = Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, i) => (i * (frame + 3)) % 256);
  return { data, width: SIZE, height: SIZE, channels: 3 };
}

/** The most memory that this process ever held; of systems that do not tell, what it holds now. */
function peakMemoryGb(): number {
  if (process.platform !== 'linux') return process.memoryUsage().rss / 2 ** 30;
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 2 ** 20;
}
