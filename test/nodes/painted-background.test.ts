import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { stopAllHosts } from '../../engine/host/client';
import { controlPool } from '../../engine/image/codec-pool';
import control from '../../nodes/control';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import { helper, startFlow, until } from '../lib/flow';
import { keepLedger } from '../lib/ledger';

const SIZE = 128;
/** Whoever stands in the room: columns and rows from..to. */
const PERSON = { left: 40, top: 40, width: 48, height: 72 };

/** A room in grey, maybe with somebody in white in it. */
async function room(isThere: boolean): Promise<Buffer> {
  const empty = sharp({ create: { width: SIZE, height: SIZE, channels: 3, background: { r: 90, g: 80, b: 70 } } });
  const { left, top, width, height } = PERSON;
  const person = await sharp({ create: { width, height, channels: 3, background: { r: 240, g: 230, b: 220 } } })
    .png()
    .toBuffer();
  return (isThere ? empty.composite([{ input: person, left, top }]) : empty).png().toBuffer();
}

const pixels = async (file: unknown): Promise<Buffer> =>
  sharp(file as Buffer)
    .removeAlpha()
    .raw()
    .toBuffer();

describe('a painted background behind a real person', () => {
  afterEach(() => helper.unload());
  after(async () => {
    controlPool.close();
    await stopAllHosts();
  });

  it('leaves whoever stands before the learned room to the byte, and paints the room', async () => {
    await startFlow(
      [engine, control, denoiser],
      [
        { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
        {
          ...{ id: 'room-mask', type: 'streamdiffusion-control', wires: [['denoiser']] },
          ...{ kind: 'silhouette', picture: 'mask', invert: true, learnSeconds: '0', radius: '0', grow: '1' },
        },
        {
          ...{ id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', wires: [['out']] },
          ...{ width: `${SIZE}`, height: `${SIZE}`, strength: '0.6', steps: '1', format: 'png' },
        },
        { id: 'out', type: 'helper' },
      ],
    );
    const ledger = keepLedger('denoiser', ['out']);
    const show = async (payload: Buffer): Promise<Buffer> => {
      const { ended } = ledger;
      helper.getNode('room-mask').receive({ payload } as NodeMessage);
      await until(() => ledger.ended > ended);
      assert.deepEqual(ledger.errors, []);
      return pixels(ledger.sent[0].at(-1)?.payload);
    };
    const [empty, person] = [await room(false), await room(true)];
    const differing = async (painted: Buffer, from: Buffer, isPerson: boolean): Promise<number> => {
      const before = await pixels(from);
      let [count, all] = [0, 0];
      for (let at = 0; at < before.length; at++) {
        const [x, y] = [Math.floor(at / 3) % SIZE, Math.floor(at / 3 / SIZE)];
        const inside = x >= PERSON.left && x < PERSON.left + PERSON.width && y >= PERSON.top && y < PERSON.top + PERSON.height;
        if (inside !== isPerson) continue;
        all++;
        if (before[at] !== painted[at]) count++;
      }
      return count / all;
    };
    const alone = await show(empty);
    assert.ok((await differing(alone, empty, true)) > 0.5, 'the whole of the empty room is painted');
    const together = await show(person);
    assert.equal(await differing(together, person, true), 0);
    assert.ok((await differing(together, person, false)) > 0.5);
  });
});
