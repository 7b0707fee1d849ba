import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DiffusionStream } from '../../engine/stream/diffusion-stream';
import { inspectModel } from '../../engine/model/folder';
import { Model } from '../../engine/model/model';
import type { PromptEmbeds } from '../../engine/prompt/prompt-embeds';
import { SharedUnet } from '../../engine/stream/shared-unet';
import type { RawImage, StreamOptions } from '../../engine/types';

/** A model of the size of SD-Turbo, made by export_full_size.py; its folder in FULL_SIZE_MODEL. */
const folder = process.env.FULL_SIZE_MODEL;
const SIZE = 512;
const FRAMES = 4;
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
    const model = await Model.load({ model: folder ?? '' });
    const options: StreamOptions = { mode: 'img2img', width: SIZE, height: SIZE, tIndexList: [35], cfgType: 'none' };
    const stream = await DiffusionStream.open(model, new SharedUnet(model.unet), options, () => undefined);
    await stream.setPrompt({ prompt: 'night over the sea' });
    const conditioning = await model.textEncoder.encodeText('night over the sea');
    // In turn, so that whatever else this machine does slows down both.
    const seconds = { nets: 0, stream: 0 };
    for (let frame = 0; frame < FRAMES; frame++) {
      seconds.nets += await timed(() => runNets(model, conditioning));
      seconds.stream += await timed(async () => {
        const [output] = await stream.process({ image: picture(frame) });
        assert.ok(output.latent.every(Number.isFinite));
        assert.equal(output.image.data.length, SIZE * SIZE * 3);
      });
    }
    await stream.close();
    await model.close();
    const [perFrame, nets, peak] = [seconds.stream / FRAMES, seconds.nets / FRAMES, peakMemoryGb()];
    console.log(`      ${perFrame.toFixed(2)} s a frame, the nets alone ${nets.toFixed(2)} s, peak memory ${peak.toFixed(1)} GB`);
    assert.ok(nets / perFrame >= 0.9);
    assert.ok(peak <= MEMORY_LIMIT_GB);
  });
});

/** One frame of a loop that only runs the nets. */
async function runNets(model: Model, conditioning: PromptEmbeds): Promise<void> {
  const sample = await model.vaeEncoder?.encode(new Float32Array(3 * SIZE * SIZE).fill(0.5), SIZE, SIZE);
  assert.ok(sample);
  const [latent] = await model.unet.predict([{ sample, shape: { height: SIZE / 8, width: SIZE / 8 }, timestep: 259, conditioning }]);
  await model.vaeDecoder.decode(latent, SIZE / 8, SIZE / 8);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
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
