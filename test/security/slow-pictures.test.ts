import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { EngineSupervisor, type RemoteStream } from '../../engine/host/client';
import type { StreamSettings } from '../../engine/host/protocol/messages';
import type { Picture } from '../../engine/image/picture';
import filter from '../../nodes/filter';
import sink from '../../nodes/sink';
import { helper, startFlow, until } from '../lib/flow';
import { hugePng } from '../lib/huge-png';
import { keepLedger } from '../lib/ledger';
import { jpegs } from '../lib/pictures';
import { manyScans } from '../lib/slow-pictures';
import { loopProcessorMs } from '../lib/strain';

const PATIENCE = 120_000;
const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [40], cfgType: 'none' };

/** Small files, each of which is more work than it looks. */
async function slowFiles(): Promise<Record<string, Buffer>> {
  const side = 4000;
  const flat = (): sharp.Sharp =>
    sharp({ create: { width: side, height: side, channels: 3, background: '#456' }, limitInputPixels: false });
  const [file] = await jpegs(1);
  const frames = await Promise.all(
    Array.from({ length: 40 }, (_, k) =>
      sharp({ create: { width: 400, height: 400, channels: 3, background: { r: k * 6, g: 90, b: 20 } } })
        .png()
        .toBuffer(),
    ),
  );
  const animation = (): sharp.Sharp => sharp(frames, { join: { animated: true } });
  return {
    'a JPEG of many scans': manyScans(8000, 8000, 2000),
    'a PNG of 64 megapixels': hugePng(8192, 8192),
    'an interlaced PNG': await flat().png({ progressive: true, compressionLevel: 9 }).toBuffer(),
    'a GIF of many pictures': await animation().gif().toBuffer(),
    'a WebP of many pictures': await animation().webp({ effort: 0 }).toBuffer(),
    'a TIFF of many tiles': await flat().tiff({ tile: true, tileWidth: 16, tileHeight: 16, compression: 'deflate' }).toBuffer(),
    'an AVIF in a grid': await flat().avif({ effort: 0, quality: 30 }).toBuffer(),
    'a JPEG whose header says more than there is': Buffer.concat([file.data.slice(0, 200)]),
  };
}

describe('pictures that are made to keep a decoder busy', function () {
  this.timeout(300_000);
  let files: Record<string, Buffer>;
  before(async () => {
    files = await slowFiles();
  });

  it('hold up neither Node-RED nor the frames of other topics, at the filter and the sink', async () => {
    await startFlow(
      [filter, sink],
      [
        { id: 'filter', type: 'streamdiffusion-filter', wires: [['passed'], ['skipped']] },
        { id: 'sink', type: 'streamdiffusion-sink', name: 'slow' },
        { id: 'passed', type: 'helper' },
        { id: 'skipped', type: 'helper' },
      ],
    );
    const ledger = keepLedger('filter', ['passed', 'skipped']);
    const [good] = await jpegs(1);
    let answered = 0;
    for (const output of ['passed', 'skipped']) helper.getNode(output).on('input', ({ topic }) => (answered += topic === 'good' ? 1 : 0));
    const node = helper.getNode('filter');
    const give = (payload: Uint8Array, topic: string): void => node.receive({ payload: Buffer.from(payload), topic } as NodeMessage);
    give(good.data, 'good');
    await until(() => answered === 1, PATIENCE);
    const turns: number[] = [];
    let lastMs = loopProcessorMs();
    const timer = setInterval(() => {
      const ms = loopProcessorMs();
      turns.push(ms - lastMs);
      lastMs = ms;
    }, 5);
    let given = 1;
    for (const file of Object.values(files)) {
      for (let k = 0; k < 4; k++) give(file, `bad ${k}`);
      helper.getNode('sink').receive({ payload: file });
      const before = answered;
      give(good.data, 'good');
      given += 5;
      await until(() => answered > before, PATIENCE);
    }
    await until(
      () => ledger.ended === given,
      PATIENCE,
      () => `${ledger.ended} of ${given}`,
    );
    clearInterval(timer);
    assert.ok(
      ledger.errors.every((code) => code === 'EBADFRAME'),
      ledger.errors.join(),
    );
    assert.ok(ledger.errors.length >= 4, 'the JPEG of many scans is refused');
    // One may be a collection of garbage; a picture in the event loop would be many.
    const [, longest] = turns.sort((a, b) => b - a);
    assert.ok(longest < 250, `${longest} ms of work at once in the event loop`);
    await helper.unload();
  });

  it('hold up no other stream of the same engine', async () => {
    const host = new EngineSupervisor({ model: 'starter' });
    host.start();
    const [good, bad] = [host.openStream(settings), host.openStream(settings)];
    const [frame] = await jpegs(1);
    await paint(good, frame);
    /** The rates of the good stream with the attack and without, frames a second. */
    const underAttack = async (): Promise<{ attacked: number; alone: number }> => {
      const before = await rateOf(good, frame);
      let attacking = true;
      // Past the door, as a file of a format could be of which nobody knows yet that it takes minutes.
      const attack = (async (): Promise<string[]> => {
        const codes: string[] = [];
        while (attacking)
          await bad
            .submit({ picture: { kind: 'encoded', data: manyScans(8000, 8000, 20_000) } })
            .catch(({ code }: { code: string }) => codes.push(code));
        return codes;
      })();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const attacked = await rateOf(good, frame);
      attacking = false;
      const codes = await attack;
      assert.ok(codes.length > 0 && codes.every((code) => code === 'EBADFRAME'), codes.join());
      await paint(bad, frame);
      // The machine may have become busier meanwhile.
      return { attacked, alone: Math.min(before, await rateOf(good, frame)) };
    };
    let rates = await underAttack();
    // It may also have been busier for a while, in which case another look is a better one.
    for (let looks = 1; rates.attacked <= 0.5 * rates.alone && looks < 3; looks++) rates = await underAttack();
    await host.stop();
    if (process.env.SHOW_FIGURES) console.log(rates);
    assert.ok(rates.attacked > 0.5 * rates.alone, JSON.stringify(rates));
  });
});

async function paint(stream: RemoteStream, picture: Picture): Promise<void> {
  assert.equal((await stream.submit({ picture })).outcome, 'finished');
}

/** Frames a second, one after the other. */
async function rateOf(stream: RemoteStream, picture: Picture, ms = 3000): Promise<number> {
  let count = 0;
  const began = performance.now();
  for (; performance.now() - began < ms; count++) await paint(stream, picture);
  return (count * 1000) / (performance.now() - began);
}
