import assert from 'node:assert/strict';
import { join } from 'node:path';
import sharp from 'sharp';
import { blurred, blurredImage } from '../../../../engine/image/control/blur';
import { canny, softEdges } from '../../../../engine/image/control/edges';
import { drawControlMap, type ControlMapKind, type ControlMapSettings, USUAL_SETTINGS } from '../../../../engine/image/control/maps';
import { luminance, type Plane } from '../../../../engine/image/control/plane';
import type { RawImage } from '../../../../engine/types';
import { ROOT } from '../../../lib/reference';

const FIXTURES = join(ROOT, 'test/fixtures/control-maps');

async function picture(name: string): Promise<RawImage> {
  const { data, info } = await sharp(join(FIXTURES, `${name}-picture.png`))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: 3 };
}

const expected = async (name: string): Promise<Uint8Array> =>
  Uint8Array.from(
    await sharp(join(FIXTURES, `${name}.png`))
      .extractChannel(0)
      .raw()
      .toBuffer(),
  );

/** A plane of one value with others where `value` gives some. */
function plane(width: number, height: number, value: (x: number, y: number) => number): Plane {
  return { data: Uint8Array.from({ length: width * height }, (_, at) => value(at % width, Math.floor(at / width))), width, height };
}

const settings = (kind: ControlMapKind, more: Partial<ControlMapSettings> = {}): ControlMapSettings => ({
  kind,
  invert: false,
  ...USUAL_SETTINGS[kind],
  ...more,
});

function mostDifference(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, k) => Math.max(most, Math.abs(value - b[k])), 0);
}

describe('control maps', () => {
  for (const name of ['a', 'b']) {
    it(`are those that the control branch was trained on: picture ${name}`, async () => {
      const grey = luminance(await picture(name));
      assert.deepEqual(blurred(grey, 2.7).data, await expected(`${name}-blur`));
      assert.deepEqual(canny(blurred(grey, 1), 70, 150).data, await expected(`${name}-edges`));
      // Square roots in single precision there, in double precision here.
      assert.ok(mostDifference(softEdges(grey).data, await expected(`${name}-soft-edges`)) <= 1);
    });
  }

  it('blur to a Gaussian of the radius that was asked for, and keep an even picture', () => {
    const dot = plane(61, 61, (x, y) => (Math.abs(x - 30) <= 4 && Math.abs(y - 30) <= 4 ? 255 : 0));
    const { data } = blurred(dot, 5);
    let [sum, variance] = [0, 0];
    data.forEach((value, at) => {
      sum += value;
      variance += value * ((at % 61) - 30) ** 2;
    });
    // That of the square and that of the blur add up.
    assert.ok(Math.abs(variance / sum - (5 ** 2 + (9 ** 2 - 1) / 12)) < 1.5, String(variance / sum));
    for (const radius of [0, 0.3, 1, 7.5, 200])
      assert.deepEqual(
        blurred(
          plane(9, 5, () => 77),
          radius,
        ).data,
        plane(9, 5, () => 77).data,
      );
    const image: RawImage = { data: Uint8Array.from({ length: 36 }, (_, k) => [10, 20, 30][k % 3]), width: 4, height: 3, channels: 3 };
    assert.deepEqual(blurredImage(image, 3), image);
  });

  it('draw a line of one pixel where a bright field meets a dark one, in every direction', () => {
    for (const [across, down] of [
      [1, 0],
      [0, 1],
      [1, 1],
      [1, -1],
    ]) {
      const { data } = canny(
        plane(40, 40, (x, y) => ((x - 20) * across + (y - 20) * down > 0 ? 200 : 50)),
        70,
        150,
      );
      const line = data.filter((value) => value > 0).length;
      assert.ok(line >= 36 && line <= 82, `${across},${down}: ${line} pixels`);
      assert.deepEqual(new Set(data), new Set([0, 255]));
    }
  });

  it('keep a weak edge that hangs together with a strong one, and drop one that does not', () => {
    const step = (y: number): number => (y < 10 ? 60 : 30);
    const field = plane(40, 40, (x, y) => (x < 20 ? 100 : 100 + step(y)));
    assert.equal(
      canny(field, 70, 200)
        .data.slice(35 * 40, 36 * 40)
        .filter(Boolean).length,
      1,
    );
    const weak = plane(40, 40, (x) => (x < 20 ? 100 : 130));
    assert.equal(canny(weak, 70, 200).data.filter(Boolean).length, 0);
  });

  it('count brightness as television does, from black to white', () => {
    const image: RawImage = {
      data: Uint8Array.from([255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 7, 7, 7]),
      width: 6,
      height: 1,
      channels: 3,
    };
    assert.deepEqual([...luminance(image).data], [255, 0, 76, 149, 29, 7]);
  });

  it('are turned to their negative, and white from the threshold on', async () => {
    const image = await picture('a');
    const grey = drawControlMap(image, settings('luminance')).map.data;
    const bright = drawControlMap(image, settings('threshold', { threshold: 100 })).map.data;
    assert.deepEqual(
      bright,
      grey.map((value) => (value >= 100 ? 255 : 0)),
    );
    for (const kind of ['edges', 'soft-edges', 'luminance', 'threshold', 'blur'] as const) {
      const map = drawControlMap(image, settings(kind)).map.data;
      const negative = drawControlMap(image, settings(kind, { invert: true })).map.data;
      assert.deepEqual(
        negative,
        map.map((value) => 255 - value),
        kind,
      );
    }
  });

  it('show what moves, with a trail that fades; nothing in the first frame, nor in one of another size', () => {
    const frame = (at: number, width = 40): RawImage => {
      const { data, height } = plane(width, 30, (x, y) => (x >= at && x < at + 8 && y > 10 && y < 20 ? 220 : 40));
      return { data: Uint8Array.from({ length: 3 * data.length }, (_, k) => data[Math.floor(k / 3)]), width, height, channels: 3 };
    };
    const draw = (image: RawImage, state?: ReturnType<typeof drawControlMap>['state']) =>
      drawControlMap(image, settings('movement', { trail: 0.5 }), state);
    const first = draw(frame(5));
    assert.equal(Math.max(...first.map.data), 0);
    const second = draw(frame(20), first.state);
    assert.equal(Math.max(...second.map.data), 255);
    assert.equal(second.map.data[0], 0);
    const trail = [second.map.data[15 * 40 + 8]];
    for (let k = 0, state = second.state; k < 3; k++) {
      const { map, state: next } = draw(frame(20), state);
      trail.push(map.data[15 * 40 + 8]);
      state = next;
    }
    assert.deepEqual(trail, [255, 127, 63, 31]);
    assert.equal(Math.max(...draw(frame(20, 60), second.state).map.data), 0);
  });
});
