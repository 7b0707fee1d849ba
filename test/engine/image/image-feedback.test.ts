import assert from 'node:assert/strict';
import { imageFeedback } from '../../../engine/image/image-feedback';
import type { RawImage } from '../../../engine/types';

const STILL = { zoom: 1, rotate: 0, x: 0, y: 0 };

/** A grey picture from rows of values. */
function picture(rows: number[][]): RawImage {
  return {
    data: Uint8Array.from(rows.flat().flatMap((value) => [value, value, value])),
    width: rows[0].length,
    height: rows.length,
    channels: 3,
  };
}

function rowsOf({ data, width, height }: RawImage): number[][] {
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_x, x) => data[3 * (y * width + x)]));
}

const last = picture([
  [10, 20, 30, 40],
  [50, 60, 70, 80],
  [90, 100, 110, 120],
  [130, 140, 150, 160],
]);
const black = picture(Array.from({ length: 4 }, () => [0, 0, 0, 0]));

describe('image feedback', () => {
  it('blends: (1 - amount) of the new picture, amount of the last one', () => {
    const image = picture(Array.from({ length: 4 }, () => [200, 200, 200, 200]));
    assert.deepEqual(imageFeedback(image, last, 0, { ...STILL, zoom: 1.3 }), image);
    assert.deepEqual(imageFeedback(image, last, 1, STILL), last);
    assert.deepEqual(rowsOf(imageFeedback(image, last, 0.25, STILL))[0], [153, 155, 158, 160]);
  });

  it('turns clockwise', () => {
    assert.deepEqual(rowsOf(imageFeedback(black, last, 1, { ...STILL, rotate: 90 })), [
      [130, 90, 50, 10],
      [140, 100, 60, 20],
      [150, 110, 70, 30],
      [160, 120, 80, 40],
    ]);
    assert.deepEqual(
      rowsOf(imageFeedback(black, last, 1, { ...STILL, rotate: -180 })),
      rowsOf(last)
        .reverse()
        .map((row) => row.reverse()),
    );
  });

  it('moves to the right and down, and shows the new picture in the margin', () => {
    assert.deepEqual(rowsOf(imageFeedback(black, last, 1, { ...STILL, x: 0.25, y: 0.5 })), [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 10, 20, 30],
      [0, 50, 60, 70],
    ]);
  });

  it('grows and shrinks about its middle, interpolated', () => {
    assert.deepEqual(
      rowsOf(imageFeedback(black, last, 1, { ...STILL, zoom: 2 })).map((row) => row.map((value) => Math.round(value))),
      [
        [48, 53, 58, 63],
        [68, 73, 78, 83],
        [88, 93, 98, 103],
        [108, 113, 118, 123],
      ],
    );
    const small = rowsOf(imageFeedback(black, last, 1, { ...STILL, zoom: 0.5 }));
    assert.deepEqual(
      small.map((row) => row.map((value) => value > 0)),
      [
        [false, false, false, false],
        [false, true, true, false],
        [false, true, true, false],
        [false, false, false, false],
      ],
    );
  });

  it('keeps a picture of one colour as it is, wherever it covers', () => {
    const flat: RawImage = { data: new Uint8Array(3 * 50 * 30).fill(77), width: 50, height: 30, channels: 3 };
    for (const rotate of [0, 7, 45, 133]) assert.deepEqual(imageFeedback(flat, flat, 0.7, { zoom: 1.02, rotate, x: 0.1, y: -0.2 }), flat);
  });
});
