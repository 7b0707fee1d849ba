import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { stopAllHosts } from '../../engine/host/client';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import { PATHS } from '../lib/control-cases';
import { calls, helper, PATIENCE, startFlow, until } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { removeModelFolders, withTokenizer } from '../lib/model-folder';
import { jpegs } from '../lib/pictures';
import { TUNABLES } from '../../nodes/lib/web/tuning-routes';

describe('a denoiser on an engine with adapters', () => {
  let ledger: Ledger;
  let frames: Buffer[];

  before(async () => {
    frames = (await jpegs(3)).map(({ data }) => Buffer.from(data));
    const model = await withTokenizer();
    const adapters = [{ name: 'depth', path: PATHS.depth }];
    const settings = { width: '64', height: '64', stepsBy: 'list', tIndexList: '30', cfgType: 'none', format: 'raw' };
    await startFlow(
      [engine, denoiser],
      [
        { id: 'engine', type: 'streamdiffusion-engine', threads: '1', modelType: 'str', model, adapters },
        { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', ...settings, wires: [['out']] },
        { id: 'out', type: 'helper' },
      ],
    );
    ledger = keepLedger('denoiser', ['out']);
  });
  after(async () => {
    await helper.unload();
    await stopAllHosts();
    await removeModelFolders();
  });

  /** The picture that comes of a message; undefined where there is none. */
  async function paint(msg: object): Promise<Buffer | undefined> {
    const [ended, sent] = [ledger.ended, ledger.sent[0].length];
    helper.getNode('denoiser').receive({ payload: frames[0], ...msg } as NodeMessage);
    await until(() => ledger.ended > ended, PATIENCE);
    return (ledger.sent[0][sent]?.payload as { data: Buffer } | undefined)?.data;
  }

  it('shows each frame its own control picture, as strongly as asked for', async () => {
    const plain = await paint({});
    const [one, other] = [await paint({ pictures: { depth: frames[1] } }), await paint({ pictures: { depth: frames[2] } })];
    assert.ok(plain && one && other);
    assert.notDeepEqual(one, plain);
    assert.notDeepEqual(other, one);
    assert.deepEqual(await paint({}), plain, 'a frame without a picture is painted without the net');
    const half = await paint({ pictures: { depth: frames[1] }, params: { weights: { depth: '0.5' } } });
    assert.notDeepEqual(half, one);
    assert.deepEqual(await paint({ pictures: { depth: frames[1] } }), half, 'a weight stays');
    assert.deepEqual(await paint({ pictures: { depth: frames[1] }, params: { weights: 'depth: 0' } }), plain);
    await paint({ params: { weights: { depth: 1 } } });
    assert.deepEqual(ledger.errors, []);
  });

  it('has the strengths back, and all else that nobody had named, when a dialog that changed them is cancelled', async () => {
    // A stream of its own, of which no message has spoken.
    const masked = { topic: 'masked', pictures: { depth: frames[1], mask: frames[2] } };
    const before = await paint(masked);
    const dialog = TUNABLES.of(helper.getNode('denoiser'))!;
    await dialog.tune({ params: { weights: { depth: 0 }, maskFeather: 30 } });
    assert.notDeepEqual(await paint(masked), before);
    await dialog.endTuning(false);
    assert.deepEqual(await paint(masked), before);
  });

  it('goes on without a picture that no adapter wants, and refuses what is not a picture or weight', async () => {
    const told = calls('denoiser', 'error') as { code?: string; message: string }[];
    assert.ok(await paint({ pictures: { edges: frames[1] } }));
    await until(() => told.some(({ code, message }) => code === 'EBADPARAM' && /"edges".*depth/.test(message)), PATIENCE);
    await paint({ pictures: { depth: 'no picture' } });
    await paint({ params: { weights: { depth: 'much' } } });
    assert.deepEqual(ledger.errors, ['EBADFRAME', 'EBADPARAM']);
    helper.getNode('denoiser').receive({ params: { weights: { edges: 1 } } } as unknown as NodeMessage);
    await until(() => ledger.errors.length === 3, PATIENCE);
    assert.equal(ledger.errors[2], 'EBADPARAM');
    assert.ok(await paint({}));
  });
});
