import { runInNewContext } from 'node:vm';
import type { Dice } from './dice';
import { cyclic, STRANGE } from './strange-values';

/** A damaged raw picture, or an object that is not one. */
export function strangeRaw(dice: Dice): object {
  const raw: Record<string, unknown> = { data: Buffer.alloc(8 * 8 * 3), width: 8, height: 8, channels: 3 };
  for (let k = dice.below(3); k >= 0; k--) raw[dice.one(['data', 'width', 'height', 'channels', 'bitmap'])] = dice.one(STRANGE);
  return raw;
}

const DATA: readonly ((size: number, dice: Dice) => unknown)[] = [
  (size) => Buffer.alloc(size, 77),
  (size) => new Uint8Array(size),
  (size) => new Uint8ClampedArray(size),
  (size) => Buffer.alloc(size, 77).toJSON(),
  (size) => new Uint8Array(new SharedArrayBuffer(size)),
  (size) => new Uint8Array(new ArrayBuffer(size + 64), 33, size),
  (size) => runInNewContext('new Uint8Array(size)', { size }),
  (size, dice) => Buffer.alloc(Math.max(0, size + dice.one([-1, 1, 3, -size, size, 3 * size]))),
  (size) => new Float32Array(size),
  (size) => new Uint16Array(size),
  (size) => new DataView(new ArrayBuffer(size)),
  (size) => new ArrayBuffer(size),
  (size) => Array.from({ length: size }, () => 7),
  (size) => [Buffer.alloc(size)],
  (size) => ({ type: 'Buffer', data: Array.from({ length: size }, (_, k) => (k === 5 ? 'x' : 9)) }),
  (size) => {
    const data = new Uint8Array(size);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    return data;
  },
  (_size, dice) => dice.one(STRANGE),
];
const SAYS = [
  'colorSpace',
  'colourSpace',
  'colorspace',
  'pixelFormat',
  'format',
  'colorModel',
  'dtype',
  'depth',
  'bitDepth',
  'width',
  'height',
  'channels',
  'data',
  'bitmap',
  'type',
  'kind',
  'isBgr',
];
const WORDS: readonly unknown[] = [
  'RGB',
  'BGR',
  'BGRA',
  'RGBA',
  'GRAY',
  'gray',
  'srgb',
  'raw',
  'YUV',
  'HSV',
  'uint8',
  'float32',
  'uint16',
  'uchar',
  'Buffer',
  0,
  1,
  2,
  3,
  4,
  5,
  8,
  16,
  64,
  1e9,
  -1,
  0.5,
  '8',
  2 ** 31,
  2 ** 53,
  1 / 3,
];

/** A raw picture as some program may send it: with many types of bytes, described in many ways, mostly with a mistake. */
export function mutatedRaw(dice: Dice): unknown {
  const [width, height, channels] = [1 + dice.below(9), 1 + dice.below(9), dice.one([1, 3, 4])];
  const raw: Record<string, unknown> = { data: dice.one(DATA)(width * height * channels, dice), width, height };
  if (dice.below(2)) raw.channels = channels;
  for (let k = dice.below(4); k > 0; k--) raw[dice.one(SAYS)] = dice.below(4) ? dice.one(WORDS) : dice.one(STRANGE);
  if (dice.below(25) === 0)
    Object.defineProperty(raw, dice.one(SAYS), {
      enumerable: true,
      get: () => {
        throw new TypeError('not for you');
      },
    });
  return dice.one<() => unknown>([
    () => raw,
    () => raw,
    () => raw,
    () => ({ bitmap: raw }),
    () => raw.data,
    () => JSON.parse(JSON.stringify(raw, (_, value: unknown) => (typeof value === 'bigint' ? 1 : value === cyclic ? 0 : value))) as unknown,
  ])();
}
