import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { stopAllHosts } from '../../engine/host/client';
import { codecPool, controlPool } from '../../engine/image/codec-pool';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import { helper, messagesAt, startFlow, until } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { scoreNet } from '../lib/picture-nets';

/** The picture comes back to the byte where its mask is black: so the tests know what the checker sees. */
const grey = (level: number): object => ({ data: Buffer.alloc(64 * 64 * 3, level), width: 64, height: 64, channels: 3 });
const MASK = grey(0);
const [DARK, BRIGHT] = [40, 250];

describe('the safety of a denoiser', () => {
  let folder: string;
  let ledger: Ledger;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'safety-'));
    await writeFile(join(folder, 'bright-is-unfit.onnx'), scoreNet());
  });
  afterEach(() => helper.unload());
  after(async () => {
    codecPool.close();
    controlPool.close();
    await stopAllHosts();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(fields: object): Promise<void> {
    await startFlow(
      [engine, denoiser],
      [
        { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
        {
          ...{ id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', wires: [['out'], ['status']] },
          ...{ width: '64', height: '64', strength: '0.5', steps: '1', format: 'raw', safetyNet: join(folder, 'bright-is-unfit.onnx') },
          ...fields,
        },
        { id: 'out', type: 'helper' },
        { id: 'status', type: 'helper' },
      ],
    );
    ledger = keepLedger('denoiser', ['out']);
  }

  /** Shows frames one after the other; the brightness of what came out for each. */
  async function show(...levels: number[]): Promise<number[]> {
    const shown: number[] = [];
    for (const level of levels) {
      const { ended } = ledger;
      helper.getNode('denoiser').receive({ payload: grey(level), pictures: { mask: MASK } } as unknown as NodeMessage);
      await until(() => ledger.ended > ended);
      const { payload } = ledger.sent[0].at(-1) as unknown as { payload: { data: Buffer } | Buffer };
      const data = Buffer.isBuffer(payload) ? await sharp(payload).removeAlpha().raw().toBuffer() : payload.data;
      shown.push(Math.round(data.reduce((sum, value) => sum + value, 0) / data.length));
    }
    return shown;
  }

  it('shows something else in the place of an unfit picture, before anybody sees it', async () => {
    for (const [safety, instead] of [
      ['hold', DARK],
      ['black', 0],
      ['blur', BRIGHT],
    ] as const) {
      await start({ safety });
      const shown = await show(DARK, BRIGHT, BRIGHT, DARK + 20);
      // What is blurred has been a JPEG.
      [DARK, instead, instead, DARK + 20].forEach((level, k) => assert.ok(Math.abs(shown[k] - level) <= 2, `${safety}: ${shown.join()}`));
      assert.deepEqual(ledger.errors, []);
      await helper.unload();
    }
    await start({ safety: 'off' });
    assert.deepEqual(await show(DARK, BRIGHT), [DARK, BRIGHT]);
  });

  it('blurs a picture until nothing can be told in it', async () => {
    await start({ safety: 'blur', format: 'png' });
    const stripes = Buffer.alloc(64 * 64 * 3);
    for (let at = 0; at < 64 * 64; at++) stripes.fill(at % 8 === 3 ? 0 : 255, 3 * at, 3 * at + 3);
    helper.getNode('denoiser').receive({ payload: { ...grey(0), data: stripes }, pictures: { mask: MASK } } as unknown as NodeMessage);
    await until(() => ledger.ended === 1);
    const [msg] = ledger.sent[0];
    assert.equal(msg.contentType, 'image/jpeg');
    const { channels } = await sharp(msg.payload as Buffer).stats();
    assert.ok(channels[0].stdev < 12, String(channels[0].stdev));
  });

  it('may look beside the stream: an unfit picture is then seen for one frame', async () => {
    await start({ safety: 'black', safetyBefore: false });
    assert.deepEqual(await show(DARK, BRIGHT, BRIGHT, DARK, DARK), [DARK, BRIGHT, 0, 0, DARK]);
  });

  it('shows black where there was no good picture yet, and tells on the status output', async () => {
    await start({ safety: 'hold' });
    assert.deepEqual(await show(BRIGHT), [0]);
    const [status] = await messagesAt('status', 1);
    assert.deepEqual((status.payload as { safety: object }).safety, { blocking: true, blocked: 1 });
    assert.deepEqual(await show(DARK), [DARK]);
  });

  it('shows nothing while its checker does not work, and tells once', async () => {
    // The embedded model has no checker.
    await start({ safety: 'black', safetyNet: '' });
    assert.deepEqual(await show(DARK, DARK, DARK), [0, 0, 0]);
    const errors = (helper.getNode('denoiser') as unknown as { error: { args: [Error & { code: string }][] } }).error.args;
    assert.deepEqual(
      errors.map(([{ code }]) => code),
      ['ENOMODEL'],
    );
  });

  it('ends every message of a burst once', async () => {
    await start({ safety: 'hold' });
    await show(DARK);
    for (let k = 0; k < 30; k++) {
      helper.getNode('denoiser').receive({ payload: grey(k % 2 ? DARK : BRIGHT), pictures: { mask: MASK } } as unknown as NodeMessage);
    }
    await until(() => ledger.ended === 31);
    assert.deepEqual(ledger.errors, []);
    for (const { payload } of ledger.sent[0]) assert.ok((payload as unknown as { data: Buffer }).data[0] === DARK);
  });

  it('stands still with an explanation when its dialog cannot work', async () => {
    for (const fields of [{ safety: 'guess' }, { safety: 'hold', safetyThreshold: '2' }, { safety: 'hold', safetyBefore: 'maybe' }]) {
      await start(fields);
      helper.getNode('denoiser').receive({ payload: grey(DARK) } as unknown as NodeMessage);
      await until(() => ledger.ended === 1);
      assert.deepEqual(ledger.errors, ['EBADPARAM']);
      await helper.unload();
    }
  });
});
