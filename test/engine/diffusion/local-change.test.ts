import assert from 'node:assert/strict';
import sharp from 'sharp';
import { SimilarityFilter } from '../../../engine';
import { thumbnail } from '../../../engine/image/codec';
import { sampleThumbnail } from '../../../engine/image/pixels';
import { localChange } from '../../../engine/diffusion/local-change';
import { thumbnailSizeFor } from '../../../engine/diffusion/similarity-filter';
import { TorchGenerator } from '../../../engine/diffusion/noise';
import { testCard } from '../../../nodes/lib/source/test-card';

const [WIDTH, HEIGHT] = [640, 480];
const SIZE = thumbnailSizeFor('local');
const FRAMES = 22;

/** Somebody in a room with an arm at `degrees`. @param share of the picture's height that the person takes @param pan of the camera, in 256ths of the width */
const room = (
  degrees: number,
  share: number,
  pan = 0,
): string => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${pan} 0 256 192" preserveAspectRatio="none" width="${WIDTH}" height="${HEIGHT}">
  <rect width="400" height="192" fill="#a09484"/><rect y="150" width="400" height="60" fill="#57483c"/><rect x="22" y="20" width="60" height="70" fill="#dfe9f2"/><rect x="210" y="30" width="70" height="100" fill="#40352d"/>
  <g transform="translate(130 186) scale(${share * 1.5})"><path d="M-34 0c-2-60 8-96 34-98s38 38 36 98z" fill="#35435c"/><ellipse cy="-104" rx="19" ry="24" fill="#caa287"/>
  <path d="M22-82h46" stroke="#35435c" stroke-width="15" stroke-linecap="round" transform="rotate(${-degrees} 22 -82)"/></g></svg>`;

/** What a camera makes of a scene: noise of its sensor, in grey levels of middle grey, and a JPEG. */
async function seenByCamera(svg: string, noise: number, frame: number): Promise<Float32Array> {
  const pixels = await sharp(Buffer.from(svg)).resize(WIDTH, HEIGHT, { fit: 'fill' }).removeAlpha().raw().toBuffer();
  const generator = new TorchGenerator(frame + 1);
  for (let k = 0; k < pixels.length; k++) {
    // The sum of three draws is bell-shaped enough.
    const draw = 2 * (generator.uniform() + generator.uniform() + generator.uniform() - 1.5);
    pixels[k] = Math.max(0, Math.min(255, Math.round(pixels[k] + noise * Math.sqrt(0.3 + (0.7 * pixels[k]) / 128) * draw)));
  }
  const data = await sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .jpeg({ quality: 75 })
    .toBuffer();
  return thumbnail({ kind: 'encoded', data }, SIZE);
}

/** The share of frames that the filter skips as it comes from the palette; the first frame does not count. */
function skipped(frames: Float32Array[]): number {
  let count = 0;
  const seeds = 8;
  for (let seed = 0; seed < seeds; seed++) {
    const filter = new SimilarityFilter({ measure: 'local', threshold: 0.999, seed });
    count += frames.filter((frame) => !filter.accepts(frame)).length;
  }
  return count / (seeds * (frames.length - 1));
}

async function scene(make: (frame: number) => string, noise: number): Promise<Float32Array[]> {
  const frames: Float32Array[] = [];
  for (let k = 0; k < FRAMES; k++) frames.push(await seenByCamera(make(k), noise, k));
  return frames;
}

/** An arm that waves 1.2 times a second, at 25 frames a second. */
const waving = (share: number) => (frame: number) => room(20 + 50 * Math.sin((frame * 2 * Math.PI * 1.2) / 25), share);

describe('the similarity filter with the measure "local"', () => {
  for (const noise of [3, 6, 12]) {
    it(`rests before a still scene with a camera's noise of ${noise} grey levels`, async () => {
      const share = skipped(await scene(() => room(20, 0.8), noise));
      assert.ok(share > 0.7, `skips ${share}`);
    });
  }

  // A person of a tenth of the picture's height has an arm that is nine pixels long.
  for (const [share, most] of [
    [1, 0.1],
    [0.5, 0.2],
    [0.25, 0.5],
    [0.15, 0.75],
  ]) {
    it(`sees the waving arm of somebody who takes ${share} of the picture's height`, async () => {
      const left = skipped(await scene(waving(share), 6));
      assert.ok(left < most, `skips ${left}`);
    });
  }

  it('sees a slow pan: a twentieth of the picture in a second', async () => {
    const share = skipped(await scene((frame) => room(20, 0.8, frame * 0.5), 6));
    assert.ok(share < 0.2, `skips ${share}`);
  });

  it('lets the moving test card pass', async () => {
    const frames: Float32Array[] = [];
    for (let k = 0; k < 50; k++) {
      const { data } = await sharp(Buffer.from(testCard(4000 + 40 * k, 256, 256)))
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      frames.push(sampleThumbnail({ kind: 'raw', data, width: 256, height: 256, channels: 3 }, SIZE));
    }
    assert.ok(skipped(frames) < 0.2, `skips ${skipped(frames)}`);
  });

  it('counts a change of the whole picture, which is not noise', () => {
    const picture = (value: number): Float32Array => new Float32Array(3 * SIZE * SIZE).fill(value);
    assert.equal(localChange(picture(0.2), picture(0.2)), 0);
    assert.ok(localChange(picture(0), picture(0.1)) > 0.007);
    assert.ok(localChange(picture(-1), picture(1)) > 3.9);
  });

  it('finds one field of 1024, wherever it is', () => {
    for (const at of [0, 31 * SIZE + 17, SIZE * SIZE - 1]) {
      const [a, b] = [new Float32Array(3 * SIZE * SIZE), new Float32Array(3 * SIZE * SIZE)];
      b.fill(0.5, 3 * at, 3 * at + 3);
      // One of the field's four pixels.
      assert.ok(Math.abs(localChange(a, b) - 0.25 / 4) < 1e-6, `pixel ${at}`);
    }
  });

  it('refuses what is not a square of RGB', () => {
    const filter = new SimilarityFilter({ measure: 'local' });
    filter.accepts(new Float32Array(3 * 7));
    assert.throws(
      () => filter.accepts(new Float32Array(3 * 7)),
      (error: Error & { code: string }) => error.code === 'EBADPARAM' && /square/.test(error.message),
    );
  });
});
