import assert from 'node:assert/strict';
import { adaptBackground, learnBackground, silhouette } from '../../../../engine/image/control/background';
import { dropSmallRegions, grown } from '../../../../engine/image/control/regions';
import type { RawImage } from '../../../../engine/types';

const [WIDTH, HEIGHT] = [160, 120];
const OPTIONS = { threshold: 24, grow: 0, radius: 0 };

interface Scene {
  seed: number;
  /** The left edge of a figure of 30 × 80 pixels. */
  figureAt?: number;
  /** By how much all is brighter. */
  light?: number;
  noise?: number;
}

/** Normal values, about: the sum of four even ones. */
function normals(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  const even = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => (even() + even() + even() + even() - 2) * Math.sqrt(3);
}

/** A wall with a lamp and a table, seen by a camera with noise. */
function room({ seed, figureAt, light = 0, noise = 6 }: Scene): RawImage {
  const random = normals(seed);
  const data = new Uint8Array(3 * WIDTH * HEIGHT);
  for (let at = 0; at < data.length; at++) {
    const [x, y, channel] = [Math.floor(at / 3) % WIDTH, Math.floor(at / 3 / WIDTH), at % 3];
    const isFigure = figureAt !== undefined && x >= figureAt && x < figureAt + 30 && y >= 30 && y < 110;
    const wall = 90 + x / 4 + (y > 90 ? -40 : 0) + [0, 10, -20][channel];
    const value = (isFigure ? [60, 60, 150][channel] : wall) + light + noise * random();
    data[at] = Math.max(0, Math.min(255, Math.round(value)));
  }
  return { data, width: WIDTH, height: HEIGHT, channels: 3 };
}

const empty = (count: number, more: Partial<Scene> = {}): RawImage[] => Array.from({ length: count }, (_, seed) => room({ seed, ...more }));

/** The share of pixels that are white where the figure is, and where it is not. */
function found(mask: Uint8Array, figureAt: number): { hit: number; false: number } {
  let [hit, wrong, inside] = [0, 0, 0];
  mask.forEach((value, at) => {
    const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
    const isFigure = x >= figureAt && x < figureAt + 30 && y >= 30 && y < 110;
    if (isFigure) inside++;
    if (value > 127) isFigure ? hit++ : wrong++;
  });
  return { hit: hit / inside, false: wrong / (mask.length - inside) };
}

describe('silhouette by background difference', () => {
  const learned = learnBackground(empty(15));

  it('finds who stands before the room, and nobody in the empty room', () => {
    for (const figureAt of [0, 20, 65, 130]) {
      const { hit, false: wrong } = found(silhouette(room({ seed: 99, figureAt }), learned, OPTIONS).data, figureAt);
      assert.ok(hit > 0.97 && wrong < 0.02, `${figureAt}: ${hit} of the figure, ${wrong} of the room`);
    }
    assert.ok(silhouette(room({ seed: 77 }), learned, OPTIONS).data.every((value) => value === 0));
  });

  it('also while the camera adjusts its exposure, and through more noise', () => {
    for (const more of [{ light: 25 }, { light: -30 }, { noise: 12 }]) {
      const { hit, false: wrong } = found(silhouette(room({ seed: 5, figureAt: 65, ...more }), learned, OPTIONS).data, 65);
      assert.ok(hit > 0.95 && wrong < 0.03, `${JSON.stringify(more)}: ${hit} of the figure, ${wrong} of the room`);
      assert.ok(
        silhouette(room({ seed: 6, ...more }), learned, OPTIONS).data.every((value) => value === 0),
        JSON.stringify(more),
      );
    }
  });

  it('learns the room although somebody walks through it meanwhile', () => {
    const walked = learnBackground(Array.from({ length: 15 }, (_, k) => room({ seed: k, figureAt: k * 10 })));
    const { hit, false: wrong } = found(silhouette(room({ seed: 99, figureAt: 65 }), walked, OPTIONS).data, 65);
    assert.ok(hit > 0.95 && wrong < 0.02, `${hit} of the figure, ${wrong} of the room`);
  });

  it('can learn from a single picture', () => {
    const { hit, false: wrong } = found(silhouette(room({ seed: 99, figureAt: 65 }), learnBackground(empty(1)), OPTIONS).data, 65);
    assert.ok(hit > 0.95 && wrong < 0.03, `${hit} of the figure, ${wrong} of the room`);
  });

  it('makes the figure larger or smaller, and its outline soft', () => {
    const white = (grow: number): number =>
      silhouette(room({ seed: 99, figureAt: 65 }), learned, { ...OPTIONS, grow }).data.filter((value) => value > 127).length;
    assert.ok(white(-5) < white(0) && white(0) < white(5), [white(-5), white(0), white(5)].join());
    const soft = silhouette(room({ seed: 99, figureAt: 65 }), learned, { ...OPTIONS, radius: 3 }).data;
    assert.ok(new Set(soft).size > 20);
  });

  it('follows the light of the day, and does not learn who stands still', () => {
    let now = learned;
    // A cloud on one half of the picture, slowly.
    const at = (k: number, figureAt?: number): RawImage => {
      const image = room({ seed: 100 + k, figureAt });
      for (let pixel = 0; pixel < WIDTH * HEIGHT; pixel++) {
        if (pixel % WIDTH < WIDTH / 2) for (let c = 0; c < 3; c++) image.data[3 * pixel + c] = Math.max(0, image.data[3 * pixel + c] - k);
      }
      return image;
    };
    for (let k = 0; k < 60; k++) {
      const image = at(k, 100);
      now = adaptBackground(now, image, silhouette(image, now, OPTIONS));
    }
    const { hit, false: wrong } = found(silhouette(at(60, 100), now, OPTIONS).data, 100);
    assert.ok(hit > 0.95 && wrong < 0.03, `${hit} of the figure, ${wrong} of the room`);
    const unadapted = found(silhouette(at(60, 100), learned, OPTIONS).data, 100);
    assert.ok(unadapted.false > 0.2, 'without it the cloud would be a figure');
  });
});

describe('regions of a mask', () => {
  const mask = (...rows: string[]): Uint8Array => Uint8Array.from(rows.join(''), (letter) => (letter === '#' ? 255 : 0));
  const shown = (data: Uint8Array, width: number): string[] =>
    Array.from({ length: data.length / width }, (_, row) =>
      [...data.slice(row * width, (row + 1) * width)].map((value) => (value ? '#' : '.')).join(''),
    );

  it('vanish when they are small, and so do holes', () => {
    const data = mask('.......', '.####.#', '.#..#..', '.#..#..', '.####..', '.......');
    dropSmallRegions(data, 7, 6, 255, 2);
    assert.deepEqual(shown(data, 7), ['.......', '.####..', '.#..#..', '.#..#..', '.####..', '.......']);
    dropSmallRegions(data, 7, 6, 0, 5);
    assert.deepEqual(shown(data, 7), ['.......', '.####..', '.####..', '.####..', '.####..', '.......']);
  });

  it('grow on all sides, and shrink', () => {
    const data = mask('.......', '.......', '...#...', '.......', '.......');
    const larger = grown(data, 7, 5, 1);
    assert.deepEqual(shown(larger, 7), ['.......', '..###..', '..###..', '..###..', '.......']);
    assert.deepEqual(grown(larger, 7, 5, -1), data);
    assert.ok(grown(data, 7, 5, 9).every((value) => value === 255));
    assert.ok(grown(larger, 7, 5, -9).every((value) => value === 0));
    assert.deepEqual(grown(data, 7, 5, 0), data);
  });
});
