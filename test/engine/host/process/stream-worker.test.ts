import assert from 'node:assert/strict';
import { Engine } from '../../../../engine/engine';
import { StreamWorker } from '../../../../engine/host/process/stream-worker';
import { jpeg } from '../../../lib/pictures';
import { PATIENCE } from '../../../lib/until';

describe('a stream in the engine process', () => {
  it('torn pictures, always one more of them waiting, do not hold up the frames before them', async () => {
    const engine = await Engine.load({ model: 'starter', intraOpNumThreads: 1 });
    const good = await jpeg({ r: 200, g: 90, b: 40 });
    const torn = { kind: 'encoded' as const, data: good.data.subarray(0, 200) };
    let tearing = false;
    const tear = (): void => void (tearing && stream.submit({ picture: torn }).catch(() => undefined));
    const settings = { mode: 'img2img' as const, width: 64, height: 64, tIndexList: [10, 20, 30, 40], cfgType: 'none' as const };
    const stream = await StreamWorker.open(engine, settings, () => tear());
    try {
      tearing = true;
      const finished = stream.submit({ picture: good }).then(({ outcome }) => outcome);
      const late = new Promise((resolve) => setTimeout(() => resolve('late'), PATIENCE).unref());
      assert.equal(await Promise.race([finished, late]), 'finished');
    } finally {
      tearing = false;
      await stream.close().catch(() => undefined);
      await engine.close();
    }
  });
});
