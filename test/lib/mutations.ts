import { runInNewContext } from 'node:vm';
import sharp from 'sharp';

/** Random numbers from a seed, so that a failure can be reproduced. */
export class Dice {
  constructor(private state: number) {}

  /** An integer from 0 to n - 1. */
  below(n: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * n);
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)];
  }
}

/** A picture in each accepted format. */
export async function originals(): Promise<Buffer[]> {
  const pixels = Buffer.from(Uint8Array.from({ length: 48 * 40 * 3 }, (_, i) => (i * 7) % 251));
  const picture = (): sharp.Sharp => sharp(pixels, { raw: { width: 48, height: 40, channels: 3 } });
  return Promise.all(
    [
      picture().jpeg(),
      picture().jpeg({ progressive: true }),
      picture().png(),
      picture().webp(),
      picture().gif(),
      picture().tiff(),
      picture().avif({ effort: 0 }),
    ].map((each) => each.toBuffer()),
  );
}

/** A damaged file: mostly at its beginning, where sizes and types are. */
export function mutate(file: Buffer, dice: Dice, others: readonly Buffer[]): Buffer {
  const data = Buffer.from(file);
  const at = (): number => dice.below(dice.below(2) ? Math.min(96, data.length) : data.length);
  switch (dice.below(8)) {
    case 0:
      return data.subarray(0, at());
    case 1:
      for (let k = dice.below(8); k >= 0; k--) data[at()] ^= 1 << dice.below(8);
      return data;
    case 2:
      for (let k = dice.below(4); k >= 0; k--) data[at()] = dice.one([0, 1, 0x7f, 0x80, 0xff]);
      return data;
    case 3: {
      // Lengths and sizes are integers of two or four bytes.
      const place = dice.below(Math.max(1, Math.min(120, data.length) - 4));
      if (dice.below(2)) data.writeUInt32BE(dice.one([0, 1, 0x7fffffff, 0xffffffff, 0x10000]), place);
      else data.writeUInt32LE(dice.one([0, 1, 0x7fffffff, 0xffffffff, 0x10000]), place);
      return data;
    }
    case 4: {
      const [from, to] = [at(), at()].sort((a, b) => a - b);
      return Buffer.concat([data.subarray(0, to), data.subarray(from)]);
    }
    case 5: {
      const [from, to] = [at(), at()].sort((a, b) => a - b);
      return Buffer.concat([data.subarray(0, from), data.subarray(to)]);
    }
    case 6:
      return Buffer.concat([data.subarray(0, at()), dice.one(others).subarray(at())]);
    default:
      return Buffer.concat([data, Buffer.alloc(dice.below(4096), dice.below(256))]);
  }
}

const cyclic: Record<string, unknown> = { text: 'a' };
cyclic.self = cyclic;

/** Values that a flow may send by mistake where something else is expected. */
const STRANGE: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -1,
  1.5,
  NaN,
  Infinity,
  -0,
  2 ** 53,
  10n,
  '',
  ' ',
  'a',
  '\0',
  '🙂'.repeat(300),
  'x'.repeat(20_000),
  'file:///etc/passwd',
  'http://127.0.0.1:1/',
  '../../etc/passwd',
  'data:image/png;base64,AAAA',
  [],
  [[]],
  [null],
  [1, 2, 3],
  new Array(100),
  {},
  cyclic,
  Object.create(null),
  { toString: null },
  Symbol('s'),
  () => 1,
  new Date(NaN),
  /x/,
  new Map(),
  new Error('e'),
  new Uint8Array(0),
  new Uint16Array(8),
  new ArrayBuffer(8),
  Buffer.alloc(3),
  { data: [1, 2, 3], width: 1, height: 1 },
  { bitmap: {} },
  { __proto__: { width: 9 } },
];

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

const PARAMS = [
  'mode',
  'width',
  'height',
  'numInferenceSteps',
  'tIndexList',
  'cfgType',
  'guidanceScale',
  'delta',
  'doAddNoise',
  'useDenoisingBatch',
  'frameBufferSize',
  'seed',
  'format',
  'quality',
  'strength',
  'steps',
  'constructor',
  '__proto__',
  'scheduler',
  'feedback',
  'motion',
  'drift',
  'seeds',
];

/** A message with one or more properties that make no sense. */
export function strangeMessage(dice: Dice, picture: Buffer): Record<string, unknown> {
  const msg: Record<string, unknown> = { payload: picture };
  for (let k = dice.below(3); k >= 0; k--) {
    switch (dice.below(8)) {
      case 0:
        msg.payload = dice.one(STRANGE);
        break;
      case 1:
        msg.payload = strangeRaw(dice);
        break;
      case 2:
        msg.params = dice.below(3) ? { [dice.one(PARAMS)]: dice.one(STRANGE), [dice.one(PARAMS)]: dice.one(STRANGE) } : dice.one(STRANGE);
        break;
      case 3:
        msg.conditioning = dice.below(3)
          ? { prompt: dice.one(STRANGE), negativePrompt: dice.one(STRANGE), blend: dice.one(STRANGE), transition: dice.one(STRANGE) }
          : dice.one(STRANGE);
        break;
      case 4:
        msg.conditioning = {
          prompt: [{ text: dice.one(STRANGE), weight: dice.one(STRANGE) }],
          [dice.one(['blend', 'transition', 'from', 'position'])]: dice.one(STRANGE),
        };
        break;
      case 5:
        msg.topic = dice.one(STRANGE);
        break;
      case 6:
        msg.frame = dice.below(2) ? dice.one(STRANGE) : { id: dice.one(STRANGE), timestamp: dice.one(STRANGE) };
        break;
      default:
        msg[dice.one(['reset', 'prompt', 'negativePrompt', 'transition'])] = dice.one(STRANGE);
    }
  }
  return msg;
}

/** Settings under some topic, without a picture; about half of them make sense. */
export function strangeSettings(dice: Dice): Record<string, unknown> {
  const SOUND: Record<string, readonly unknown[]> = {
    seed: [1, '7', -1],
    strength: [0, 0.5, '1'],
    steps: [1, 2, '3'],
    guidanceScale: [1, '1.5'],
    cfgType: ['none', 'self', 'full'],
    width: [32, 48, '64'],
    height: [32, 48],
    quality: [50, '90'],
    followNewest: ['none', 'prompt', 'all'],
    frameBufferSize: [1, 2],
  };
  const msg: Record<string, unknown> = {};
  const topic = dice.one([
    '',
    `art/${dice.below(400)}`,
    dice.below(5000),
    dice.one(STRANGE),
    'x'.repeat(dice.below(3000)),
    '__proto__',
    undefined,
  ]);
  if (topic !== undefined) msg.topic = topic;
  for (let k = dice.below(2); k >= 0; k--) {
    const name = dice.one(Object.keys(SOUND));
    const prompt = dice.one(['sea', 'night', [{ text: 'sea', weight: '2' }, 'night'], dice.one(STRANGE)]);
    switch (dice.below(6)) {
      case 0:
        msg.params = { [name]: dice.one(SOUND[name]) };
        break;
      case 1:
        msg.params = { [name]: dice.one(STRANGE), [dice.one(PARAMS)]: dice.one(STRANGE) };
        break;
      case 2:
        msg.conditioning = {
          prompt,
          [dice.one(['blend', 'negativePrompt', 'transition'])]: dice.one([
            'slerp',
            'boats',
            { from: { prompt: 'day' }, position: 0.5 },
            dice.one(STRANGE),
          ]),
        };
        break;
      case 3:
        msg.prompt = prompt;
        break;
      case 4:
        msg.reset = dice.one([true, 1, dice.one(STRANGE)]);
        break;
      default:
        msg.params = { width: dice.one([16, 8192, 1e9, 40]), height: dice.one([16, 8192, '64']), frameBufferSize: dice.one([1, 8, 64]) };
    }
  }
  msg.params ??= { seed: dice.below(100) };
  return msg;
}
