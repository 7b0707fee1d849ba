import assert from 'node:assert/strict';
import { Engine } from '../../../../engine/engine';
import { StreamWorker } from '../../../../engine/host/process/stream-worker';
import { jpeg } from '../../../lib/pictures';
import { PATIENCE } from '../../../lib/until';

describe('a stream in the engine process', () => {
  it('goes on without a picture and a weight that no adapter of its engine has, which is told once', async () => {
    const engine = await Engine.load({ model: 'starter', intraOpNumThreads: 1 });
    const picture = await jpeg({ r: 200, g: 90, b: 40 });
    const told: string[] = [];
    const settings = { mode: 'img2img' as const, width: 64, height: 64, tIndexList: [30], cfgType: 'none' as const };
    const stale = { ...settings, weights: { style: 0.5 } };
    const stream = await StreamWorker.open(
      engine,
      stale,
      () => undefined,
      (text, code) => told.push(`${code} ${text}`),
    );
    try {
      for (let k = 0; k < 2; k++)
        assert.equal((await stream.submit({ picture, pictures: { depth: picture }, settings: stale })).outcome, 'finished');
      assert.equal(told.length, 2, told.join());
      assert.match(told[0], /^EBADPARAM weights.*"style"/);
      assert.match(told[1], /^EBADPARAM pictures.*"depth"/);
      await stream.update({ weights: { style: 0.7 } });
      await stream.update({ weights: { style: 0.7, edges: 1 } });
      assert.equal(told.length, 3, told.join());
      assert.match(told[2], /^EBADPARAM weights.*"edges"/);
      assert.equal((await stream.submit({ picture })).outcome, 'finished');
    } finally {
      await stream.close();
      await engine.close();
    }
  });

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
