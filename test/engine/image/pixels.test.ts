import assert from 'node:assert/strict';
import { toImage, toTensor } from '../../../engine/image/pixels';
import type { RawImage } from '../../../engine/types';

describe('pixels', () => {
  /** All 256 values in every channel, each channel in another order. */
  const image: RawImage = {
    data: Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (Math.floor(i / 3) * [1, 3, 5][i % 3] + (i % 3)) % 256),
    width: 16,
    height: 16,
    channels: 3,
  };

  it('become planes in -1..1, x = v/255·2 - 1', () => {
    const planes = toTensor(image);
    assert.equal(planes.length, 3 * 256);
    for (let pixel = 0; pixel < 256; pixel++) {
      for (let c = 0; c < 3; c++) assert.ok(Math.abs(planes[c * 256 + pixel] - ((image.data[pixel * 3 + c] / 255) * 2 - 1)) < 1e-7);
    }
    assert.deepEqual(toTensor({ data: Uint8Array.of(0, 255, 0), width: 1, height: 1, channels: 3 }), Float32Array.of(-1, 1, -1));
  });

  it('come back the same', () => {
    assert.deepEqual(toImage(toTensor(image), 16, 16), image);
  });

  it('are row-major, width first', () => {
    const wide = toImage(Float32Array.from([-1, 1, -1, 1, 1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1]), 3, 2);
    assert.deepEqual([...wide.data], [0, 0, 255, 255, 0, 255, 0, 0, 255, 255, 0, 255, 255, 0, 255, 0, 0, 255]);
  });

  it('are clamped and rounded half up on the way back', () => {
    const bytes = (...values: number[]) => [...toImage(Float32Array.from(values.flatMap((value) => [value])), 1, 1).data];
    assert.deepEqual(bytes(-7, 7, NaN), [0, 255, 0]);
    // 0 is 127.5, just below it 127.4…
    assert.deepEqual(bytes(0, -1e-3, 1e-3), [128, 127, 128]);
    assert.deepEqual(bytes(Infinity, -Infinity, -0.999), [255, 0, 0]);
  });
});
