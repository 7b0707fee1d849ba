import assert from 'node:assert/strict';
import { scene } from '../../bench/scenes';
import { makeWeightlessModel, removeModel } from '../../bench/weightless-model';
import { Engine } from '../../engine/engine';

const SIZE = 64;

describe('the nets that cost nothing', () => {
  for (const type of ['float32', 'float16'] as const) {
    it(`are a model that gives its picture, whatever it is shown: ${type}`, async () => {
      const picture = scene(SIZE, 1);
      const folder = makeWeightlessModel(type, picture);
      try {
        const engine = await Engine.load({ model: folder });
        const stream = await engine.createStream({ mode: 'img2img', width: SIZE, height: SIZE, tIndexList: [10, 30], cfgType: 'self' });
        await stream.setPrompt({ prompt: 'hills' });
        for (const time of [0, 2]) {
          await stream.process({ image: scene(SIZE, time) });
          const [{ image }] = await stream.flush();
          const lines = image.data.subarray(0, 3 * SIZE * (SIZE - 1));
          lines.forEach((byte, k) => assert.ok(Math.abs(byte - picture.data[k]) <= 1, `byte ${k} is ${byte}, not ${picture.data[k]}`));
        }
        await engine.close();
      } finally {
        removeModel(folder);
      }
    });
  }
});
