import assert from 'node:assert/strict';
import control from '../../nodes/control';
import { TUNABLES } from '../../nodes/lib/web/tuning-routes';
import { flowWith, mapOf, type Pixels, pixelsOf, setControlMap } from '../lib/control-map';
import { helper, startFlow } from '../lib/flow';

describe('control map whose settings change', () => {
  const map = setControlMap();

  it('is turned by its open dialog: what that names, and no more; and has all back when it is cancelled', async () => {
    await map.start({ kind: 'threshold', picture: 'map', threshold: '', radius: '' });
    const dialog = TUNABLES.of(helper.getNode('control'))!;
    const drawn = async (): Promise<Pixels> => pixelsOf(mapOf(await map.give({ payload: map.frames[0] }), 'map'));
    await map.give({ control: { invert: true } });
    const before = await drawn();
    await dialog.tune({ params: { threshold: '0', size: '32' } });
    const white = await drawn();
    assert.equal(Math.min(white.width, white.height), 32);
    assert.ok(
      white.data.every((byte) => byte === 0),
      'all is bright, and inverted as the message said',
    );
    await dialog.tune({ params: { kind: 'luminance', invert: false } });
    assert.ok(new Set((await drawn()).data).size > 10, 'shades of grey');
    for (const wrong of [{ threshold: '256' }, { kind: 'silhouette' }, { kind: 'nothing' }, { net: '/a.onnx' }, { picture: 'x' }, null])
      await assert.rejects(dialog.tune({ params: wrong }), { code: 'EBADPARAM' }, JSON.stringify(wrong));
    assert.ok(new Set((await drawn()).data).size > 10, 'what cannot be changes nothing');
    await dialog.endTuning(false);
    assert.deepEqual(await drawn(), before);
    assert.deepEqual(map.ledger.errors, []);
  });

  it('turns its numbers while frames come, and refuses what is none', async () => {
    await map.start({ kind: 'threshold', threshold: '1' });
    const white = async (msg: object = {}): Promise<number> => {
      const out = await map.give({ payload: map.frames[0], ...msg });
      assert.ok(out && !('control' in out), 'a next control map is not meant');
      return (await pixelsOf(mapOf(out, 'threshold'))).data.filter((value) => value === 255).length;
    };
    assert.equal(await white(), 64 * 64);
    assert.ok((await white({ control: { threshold: 200 } })) < 64 * 64);
    assert.equal(await map.give({ control: { threshold: '1' }, payload: Date.now() }), undefined);
    assert.equal(await white(), 64 * 64);
    assert.equal(await white({ control: { invert: true } }), 0);
    const bad = [{ threshold: -1 }, { threshold: 'much' }, { kind: 'blur' }, { low: 300, high: 200 }, { trail: NaN }, 5, 'x', [1], null];
    for (const each of bad) await map.give({ control: each });
    assert.deepEqual(
      map.ledger.errors,
      bad.map(() => 'EBADPARAM'),
    );
    assert.equal(await white(), 0);
  });

  it('stands still with an explanation when its dialog cannot work', async () => {
    for (const fields of [
      { kind: 'faces' },
      { size: '8' },
      { size: '99999' },
      { low: '300', high: '200' },
      { trail: '2' },
      { grow: '1.5' },
      { result: 'under' },
      { picture: 'n'.repeat(65) },
      { learnSeconds: '-1' },
      { kind: 'net' },
      { kind: 'net', net: 'a.onnx', provider: 'my gpu' },
      { kind: 'net', net: 'a.onnx', inputRange: 'wide' },
    ]) {
      await startFlow([control], flowWith(fields));
      map.watch();
      assert.equal(await map.give({ payload: map.frames[0] }), undefined);
      assert.deepEqual(map.ledger.errors, ['EBADPARAM'], JSON.stringify(fields));
      await helper.unload();
    }
  });
});
