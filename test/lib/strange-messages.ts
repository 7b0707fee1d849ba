import type { Dice } from './dice';
import { strangeRaw } from './strange-pictures';
import { STRANGE } from './strange-values';

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
