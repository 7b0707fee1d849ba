import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plane } from '../../../../engine/image/control/plane';
import { PictureNet, type PictureNetSettings } from '../../../../engine/net/picture/picture-net';
import type { RawImage } from '../../../../engine/types';
import { classesNet, depthNet, doublingNet, identityNet, scoreNet, twoInputNet } from '../../../lib/picture-nets';

/** A slope of red to the right, of green downwards, and blue in the middle. */
function slopes(width: number, height: number): RawImage {
  const data = new Uint8Array(3 * width * height);
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [at % width, Math.floor(at / width)];
    data.set([(255 * x) / (width - 1), (255 * y) / (height - 1), 128], 3 * at);
  }
  return { data, width, height, channels: 3 };
}

const most = (a: Uint8Array, b: Uint8Array): number => a.reduce((sum, value, k) => Math.max(sum, Math.abs(value - b[k])), 0);

describe('a net from picture to picture', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'picture-net-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function draw(net: Buffer, image: RawImage, more: Partial<PictureNetSettings> = {}, isScaled = false): Promise<Plane | RawImage> {
    const file = join(folder, 'net.onnx');
    await writeFile(file, net);
    const loaded = await PictureNet.load({ file, executionProvider: 'cpu', input: 'auto', output: 'auto', ...more });
    try {
      return await loaded.draw(image, isScaled);
    } finally {
      await loaded.close();
    }
  }

  it('takes either layout, one or three channels, float32 and float16, in every range', async () => {
    const image = slopes(64, 32);
    for (const shape of [
      [1, 3, 'h', 'w'],
      ['n', 3, 32, 64],
      ['n', 'c', 'h', 'w'],
      [1, 'h', 'w', 3],
      [1, 32, 64, 3],
    ]) {
      const drawn = await draw(identityNet(shape), image);
      assert.deepEqual([drawn.width, drawn.height, drawn.data.length], [64, 32, image.data.length], shape.join());
      assert.ok(most(drawn.data, image.data) <= 1, shape.join());
    }
    for (const range of ['0..1', '-1..1', '0..255'] as const) {
      for (const output of [range, 'auto'] as const) {
        assert.ok(most((await draw(identityNet(), image, { input: range, output })).data, image.data) <= 1, `${range}, ${output}`);
      }
    }
    assert.ok(most((await draw(identityNet([1, 3, 'h', 'w'], 'float16'), image)).data, image.data) <= 1);
    const grey = await draw(identityNet([1, 1, 'h', 'w']), image);
    assert.equal(grey.data.length, 64 * 32);
    const [x, y] = [40, 20];
    assert.ok(
      Math.abs(grey.data[y * 64 + x] - (0.299 * image.data[3 * (y * 64 + x)] + 0.587 * image.data[3 * (y * 64 + x) + 1] + 0.114 * 128)) < 2,
    );
  });

  it('stretches a depth without bounds from black to white', async () => {
    const depth = await draw(depthNet(), slopes(64, 64), { output: 'stretch' });
    assert.ok(!('channels' in depth));
    assert.deepEqual([depth.data[0], depth.data[64 * 64 - 1]], [0, 255]);
    const auto = await draw(depthNet(), slopes(64, 64));
    assert.deepEqual(auto.data, depth.data);
  });

  it('gives every class a colour, black the first, and of two black and white', async () => {
    const image = slopes(64, 64);
    const seen = await draw(classesNet(4), image);
    assert.ok('channels' in seen);
    const at = (x: number, y: number): string => [...seen.data.slice(3 * (64 * y + x), 3 * (64 * y + x) + 3)].join();
    assert.equal(new Set([at(60, 10), at(10, 60), at(5, 5)]).size, 3);
    assert.ok(![at(60, 10), at(10, 60), at(5, 5)].includes('0,0,0'));
    const two = await draw(classesNet(2), image);
    assert.deepEqual([two.data[0], two.data[64 * 64 - 1]], [0, 255]);
    assert.deepEqual(new Set(two.data), new Set([0, 255]));
  });

  it('makes a picture larger where that is wanted, else as large as it was', async () => {
    const image = slopes(64, 32);
    const large = await draw(doublingNet(), image, {}, true);
    assert.deepEqual([large.width, large.height], [128, 64]);
    assert.ok(
      most(
        large.data.filter((_, k) => k < 3),
        image.data,
      ) <= 1,
    );
    const same = await draw(doublingNet(), image);
    assert.deepEqual([same.width, same.height], [64, 32]);
  });

  it('of a fixed size, or with sides that must be multiples, gives the size of the picture all the same', async () => {
    for (const shape of [
      [1, 3, 16, 48],
      [1, 3, 'h', 'w'],
    ]) {
      const drawn = await draw(identityNet(shape), slopes(70, 50));
      assert.deepEqual([drawn.width, drawn.height], [70, 50]);
      assert.ok(most(drawn.data, slopes(70, 50).data) < 30);
    }
  });

  it('is found in a folder, and heeds the configuration of its pictures beside it', async () => {
    const model = join(folder, 'depth');
    await mkdir(join(model, 'onnx'), { recursive: true });
    await writeFile(join(model, 'onnx/model.onnx'), identityNet());
    await writeFile(
      join(model, 'preprocessor_config.json'),
      JSON.stringify({ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], size: { width: 28, height: 28 }, ensure_multiple_of: 14 }),
    );
    const net = await PictureNet.load({ file: model, executionProvider: 'cpu', input: 'auto', output: '-1..1' });
    const image = slopes(56, 56);
    assert.ok(most((await net.draw(image, false)).data, image.data) < 16);
    await net.close();
  });

  it('is refused with the reason when it is something else', async () => {
    const image = slopes(32, 32);
    await assert.rejects(draw(twoInputNet(), image), { code: 'EBADMODEL', message: /takes "picture".*and "other"/ });
    await assert.rejects(draw(identityNet([1, 4, 'h', 'w']), image), { code: 'EBADMODEL', message: /4 channels/ });
    await assert.rejects(draw(scoreNet(), image), { code: 'EBADMODEL', message: /gives no picture/ });
    await assert.rejects(draw(Buffer.from('no net'), image), { code: 'EBADMODEL' });
    const missing: PictureNetSettings = { file: join(folder, 'missing'), executionProvider: 'cpu', input: 'auto', output: 'auto' };
    await assert.rejects(PictureNet.load(missing), { code: 'ENOMODEL' });
  });
});
