import assert from 'node:assert/strict';
import sharp from 'sharp';
import { LEARNERS } from '../../nodes/lib/control/routes';
import { TUNABLES } from '../../nodes/lib/web/tuning-routes';
import { flowWith, mapOf, pixelsOf, setControlMap } from '../lib/control-map';
import { calls, helper, until } from '../lib/flow';

/** A grey room of 160 × 120 with somebody in white in it, who begins at this column. */
async function roomWith(at?: number): Promise<Buffer> {
  const empty = sharp({ create: { width: 160, height: 120, channels: 3, background: { r: 90, g: 80, b: 70 } } });
  if (at === undefined) return empty.png().toBuffer();
  const person = await sharp({ create: { width: 30, height: 80, channels: 3, background: { r: 240, g: 240, b: 240 } } })
    .png()
    .toBuffer();
  return empty
    .composite([{ input: person, left: at, top: 30 }])
    .png()
    .toBuffer();
}

describe('control map of a room', () => {
  const map = setControlMap();

  it('learns the empty room, then shows who stands in it', async () => {
    await map.start({ kind: 'silhouette', learnSeconds: '0', radius: '0', picture: 'mask', invert: true });
    const dark = async (at?: number): Promise<number> => {
      const { data } = await pixelsOf(mapOf(await map.give({ payload: await roomWith(at) }), 'mask'));
      return data.filter((value) => value === 0).length / (30 * 80);
    };
    assert.equal(await dark(), 0);
    for (const at of [10, 60, 120]) assert.ok(Math.abs((await dark(at)) - 1) < 0.1, String(await dark(at)));
    assert.equal(await dark(), 0);
  });

  it('learns the room anew by a message or the button, and when the pictures have another size', async () => {
    await map.start({ kind: 'silhouette', learnSeconds: '0', radius: '0' });
    const white = async (picture: Buffer): Promise<number> =>
      (await pixelsOf(mapOf(await map.give({ payload: picture }), 'silhouette'))).data.filter((value) => value > 0).length;
    await white(await roomWith());
    assert.ok((await white(await roomWith(60))) > 2000);
    assert.equal(await map.give({ control: { learn: true } }), undefined, 'the message goes no further');
    assert.equal(await white(await roomWith(60)), 0);
    assert.ok((await white(await roomWith(10))) > 2000);
    LEARNERS.of(helper.getNode('control'))?.learn();
    assert.equal(await white(await roomWith(10)), 0);
    const other = await sharp(await roomWith(10))
      .resize(200, 120, { fit: 'fill' })
      .png()
      .toBuffer();
    for (let k = 0; k < 3; k++) assert.equal(await white(other), 0);
    assert.equal(await map.give({ reset: true }).then((msg) => msg?.reset), true, 'a reset goes on to the others');
    const wider = await sharp(await roomWith(60))
      .resize(200, 120, { fit: 'fill' })
      .png()
      .toBuffer();
    assert.equal(await white(wider), 0);
  });

  it('keeps the learned room while its dialog is open: another size comes with a deploy', async () => {
    await map.start({ kind: 'silhouette', learnSeconds: '0', radius: '0', size: '512' });
    const white = async (): Promise<number> =>
      (await pixelsOf(mapOf(await map.give({ payload: await roomWith(60) }), 'silhouette'))).data.filter((value) => value > 0).length;
    await map.give({ payload: await roomWith() });
    assert.ok((await white()) > 2000);
    const dialog = TUNABLES.of(helper.getNode('control'))!;
    await assert.rejects(dialog.tune({ params: { size: '32' } }), {
      code: 'EBADPARAM',
      message: 'another size of a silhouette needs a deploy: it has learned the room at 512',
    });
    assert.ok((await white()) > 2000, 'the room is still known');
    await dialog.tune({ params: { kind: 'silhouette', size: '512', threshold: '255' } });
    assert.equal(await white(), 0, 'the rest acts at once');
    await dialog.endTuning(false);
    assert.ok((await white()) > 2000);
  });

  it('says that it learns for as long as it was told', async () => {
    await map.start({ kind: 'silhouette', learnSeconds: '1.5' });
    const statuses = calls('control', 'status') as { text: string }[];
    const begun = performance.now();
    // It learns from the first picture on, which on a busy machine takes its time.
    await map.give({ payload: await roomWith(60) });
    const learning = performance.now();
    while (performance.now() - begun < 1400) {
      const { data } = await pixelsOf(mapOf(await map.give({ payload: await roomWith(60) }), 'silhouette'));
      assert.ok(data.every((value) => value === 0));
    }
    await until(() => statuses.some(({ text }) => text === 'status.learning'));
    await until(() => performance.now() - learning > 1600);
    await map.give({ payload: await roomWith(60) });
    const { data } = await pixelsOf(mapOf(await map.give({ payload: await roomWith(10) }), 'silhouette'));
    assert.ok(data.some((value) => value === 255));
    await until(() => statuses.at(-1)?.text !== 'status.learning');
  });

  it('remembers the room over a deploy', async () => {
    const fields = { kind: 'silhouette', learnSeconds: '0', radius: '0' };
    await map.start(fields);
    await map.give({ payload: await roomWith() });
    await helper.setFlows(flowWith({ ...fields, radius: '1' }), 'nodes');
    map.watch();
    const { data } = await pixelsOf(mapOf(await map.give({ payload: await roomWith(60) }), 'silhouette'));
    assert.ok(data.filter((value) => value === 255).length > 1500);
  });
});
