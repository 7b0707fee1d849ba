import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { controlPool } from '../../engine/image/codec-pool';
import control from '../../nodes/control';
import { LEARNERS } from '../../nodes/lib/control/routes';
import { TUNABLES } from '../../nodes/lib/web/tuning-routes';
import { calls, helper, startFlow, until, type FlowNode } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { doublingNet } from '../lib/picture-nets';
import { jpegs } from '../lib/pictures';

function flowWith(fields: object = {}): FlowNode[] {
  return [
    { id: 'control', type: 'streamdiffusion-control', ...fields, wires: [['out']] },
    { id: 'out', type: 'helper' },
  ];
}

interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
  format?: string;
}

async function pixelsOf(file: unknown): Promise<Pixels> {
  assert.ok(Buffer.isBuffer(file), 'a Buffer with a file');
  const { format, channels } = await sharp(file).metadata();
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  // A grey file becomes three equal channels.
  return { data: data.filter((_, at) => at % info.channels === 0), width: info.width, height: info.height, channels, format };
}

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

describe('control map', () => {
  let ledger: Ledger;
  let frames: Buffer[];

  before(async () => {
    frames = (await jpegs(6)).map(({ data }) => Buffer.from(data));
  });
  afterEach(() => helper.unload());
  after(() => controlPool.close());

  async function start(fields: object = {}): Promise<void> {
    await startFlow([control], flowWith(fields));
    ledger = keepLedger('control', ['out']);
    // A room that the node of the last test has learned.
    await give({ reset: true });
    ledger = keepLedger('control', ['out']);
  }

  /** Gives a message and waits until it has ended; what came out. */
  async function give(msg: object): Promise<Record<string, unknown> | undefined> {
    const [ended, sent] = [ledger.ended, ledger.sent[0].length];
    helper.getNode('control').receive(msg as NodeMessage);
    await until(() => ledger.ended === ended + 1);
    return ledger.sent[0].slice(sent).at(-1) as Record<string, unknown> | undefined;
  }

  const mapOf = (msg: Record<string, unknown> | undefined, name: string): unknown =>
    (msg?.pictures as Record<string, unknown> | undefined)?.[name];

  it('is turned by its open dialog: what that names, and no more; and has all back when it is cancelled', async () => {
    await start({ kind: 'threshold', picture: 'map', threshold: '', radius: '' });
    const dialog = TUNABLES.of(helper.getNode('control'))!;
    const drawn = async (): Promise<Pixels> => pixelsOf(mapOf(await give({ payload: frames[0] }), 'map'));
    await give({ control: { invert: true } });
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
    assert.deepEqual(ledger.errors, []);
  });

  it('lays the map beside the picture under its name, and leaves all else as it was', async () => {
    await start({ kind: 'edges' });
    const pictures = { depth: Buffer.from('another') };
    const out = await give({ payload: frames[0], pictures, mine: 1, topic: 'a' });
    assert.equal(out?.payload, frames[0]);
    assert.equal(out?.mine, 1);
    assert.deepEqual(Object.keys(out?.pictures as object), ['depth', 'edges']);
    assert.deepEqual(Object.keys(pictures), ['depth'], 'what another branch has as well is not changed');
    const { width, height, channels, format, data } = await pixelsOf(mapOf(out, 'edges'));
    assert.deepEqual([width, height, channels, format], [64, 64, 1, 'png']);
    assert.deepEqual(new Set(data), new Set([0, 255]));
  });

  it('makes every kind of map, under its own name or one that was chosen', async () => {
    for (const kind of ['edges', 'soft-edges', 'luminance', 'threshold', 'blur', 'silhouette', 'movement']) {
      for (const picture of ['', 'mine']) {
        await start({ kind, picture });
        const out = await give({ payload: frames[1] });
        const { width, height, channels, format } = await pixelsOf(mapOf(out, picture || kind));
        assert.deepEqual([width, height, channels, format], kind === 'blur' ? [64, 64, 3, 'jpeg'] : [64, 64, 1, 'png'], kind);
        await helper.unload();
      }
    }
  });

  it('takes the place of the picture where that is wanted', async () => {
    await start({ kind: 'blur', result: 'replace' });
    const out = await give({ payload: frames[0] });
    assert.equal((await pixelsOf(out?.payload)).format, 'jpeg');
    assert.equal(out?.contentType, 'image/jpeg');
    assert.equal(out?.pictures, undefined);
  });

  it('has the proportions of the picture and its chosen size, never more than the picture', async () => {
    const large = await sharp(frames[0]).resize(640, 360, { fit: 'fill' }).jpeg().toBuffer();
    await start({ kind: 'luminance', size: '180' });
    const { width, height } = await pixelsOf(mapOf(await give({ payload: large }), 'luminance'));
    assert.deepEqual([width, height], [320, 180]);
    const small = await pixelsOf(mapOf(await give({ payload: frames[0] }), 'luminance'));
    assert.deepEqual([small.width, small.height], [64, 64]);
  });

  it('takes pictures in all forms', async () => {
    await start({ kind: 'luminance' });
    const grey = { data: Buffer.alloc(16 * 8, 77), width: 16, height: 8, channels: 1 };
    for (const payload of [frames[0].toString('base64'), grey, { bitmap: { data: Buffer.alloc(64 * 4, 200), width: 8, height: 8 } }]) {
      assert.ok(mapOf(await give({ payload }), 'luminance'));
    }
    assert.deepEqual(ledger.errors, []);
    assert.deepEqual(new Set((await pixelsOf(mapOf(await give({ payload: grey }), 'luminance'))).data), new Set([77]));
  });

  it('learns the empty room, then shows who stands in it', async () => {
    await start({ kind: 'silhouette', learnSeconds: '0', radius: '0', picture: 'mask', invert: true });
    const dark = async (at?: number): Promise<number> => {
      const { data } = await pixelsOf(mapOf(await give({ payload: await roomWith(at) }), 'mask'));
      return data.filter((value) => value === 0).length / (30 * 80);
    };
    assert.equal(await dark(), 0);
    for (const at of [10, 60, 120]) assert.ok(Math.abs((await dark(at)) - 1) < 0.1, String(await dark(at)));
    assert.equal(await dark(), 0);
  });

  it('learns the room anew by a message or the button, and when the pictures have another size', async () => {
    await start({ kind: 'silhouette', learnSeconds: '0', radius: '0' });
    const white = async (picture: Buffer): Promise<number> =>
      (await pixelsOf(mapOf(await give({ payload: picture }), 'silhouette'))).data.filter((value) => value > 0).length;
    await white(await roomWith());
    assert.ok((await white(await roomWith(60))) > 2000);
    assert.equal(await give({ control: { learn: true } }), undefined, 'the message goes no further');
    assert.equal(await white(await roomWith(60)), 0);
    assert.ok((await white(await roomWith(10))) > 2000);
    LEARNERS.of(helper.getNode('control'))?.learn();
    assert.equal(await white(await roomWith(10)), 0);
    const other = await sharp(await roomWith(10))
      .resize(200, 120, { fit: 'fill' })
      .png()
      .toBuffer();
    for (let k = 0; k < 3; k++) assert.equal(await white(other), 0);
    assert.equal(await give({ reset: true }).then((msg) => msg?.reset), true, 'a reset goes on to the others');
    const wider = await sharp(await roomWith(60))
      .resize(200, 120, { fit: 'fill' })
      .png()
      .toBuffer();
    assert.equal(await white(wider), 0);
  });

  it('keeps the learned room while its dialog is open: another size comes with a deploy', async () => {
    await start({ kind: 'silhouette', learnSeconds: '0', radius: '0', size: '512' });
    const white = async (): Promise<number> =>
      (await pixelsOf(mapOf(await give({ payload: await roomWith(60) }), 'silhouette'))).data.filter((value) => value > 0).length;
    await give({ payload: await roomWith() });
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
    await start({ kind: 'silhouette', learnSeconds: '1.5' });
    const statuses = calls('control', 'status') as { text: string }[];
    const begun = performance.now();
    // It learns from the first picture on, which on a busy machine takes its time.
    await give({ payload: await roomWith(60) });
    const learning = performance.now();
    while (performance.now() - begun < 1400) {
      const { data } = await pixelsOf(mapOf(await give({ payload: await roomWith(60) }), 'silhouette'));
      assert.ok(data.every((value) => value === 0));
    }
    await until(() => statuses.some(({ text }) => text === 'status.learning'));
    await until(() => performance.now() - learning > 1600);
    await give({ payload: await roomWith(60) });
    const { data } = await pixelsOf(mapOf(await give({ payload: await roomWith(10) }), 'silhouette'));
    assert.ok(data.some((value) => value === 255));
    await until(() => statuses.at(-1)?.text !== 'status.learning');
  });

  it('remembers the room over a deploy', async () => {
    const fields = { kind: 'silhouette', learnSeconds: '0', radius: '0' };
    await start(fields);
    await give({ payload: await roomWith() });
    await helper.setFlows(flowWith({ ...fields, radius: '1' }), 'nodes');
    ledger = keepLedger('control', ['out']);
    const { data } = await pixelsOf(mapOf(await give({ payload: await roomWith(60) }), 'silhouette'));
    assert.ok(data.filter((value) => value === 255).length > 1500);
  });

  it('keeps the topics apart', async () => {
    await start({ kind: 'movement' });
    const brightest = async (topic: string, k: number): Promise<number> =>
      Math.max(...(await pixelsOf(mapOf(await give({ payload: frames[k], topic }), 'movement'))).data);
    assert.equal(await brightest('a', 0), 0);
    assert.equal(await brightest('b', 3), 0);
    assert.equal(await brightest('a', 0), 0);
    assert.ok((await brightest('b', 0)) > 30);
  });

  it('turns its numbers while frames come, and refuses what is none', async () => {
    await start({ kind: 'threshold', threshold: '1' });
    const white = async (msg: object = {}): Promise<number> => {
      const out = await give({ payload: frames[0], ...msg });
      assert.ok(out && !('control' in out), 'a next control map is not meant');
      return (await pixelsOf(mapOf(out, 'threshold'))).data.filter((value) => value === 255).length;
    };
    assert.equal(await white(), 64 * 64);
    assert.ok((await white({ control: { threshold: 200 } })) < 64 * 64);
    assert.equal(await give({ control: { threshold: '1' }, payload: Date.now() }), undefined);
    assert.equal(await white(), 64 * 64);
    assert.equal(await white({ control: { invert: true } }), 0);
    const bad = [{ threshold: -1 }, { threshold: 'much' }, { kind: 'blur' }, { low: 300, high: 200 }, { trail: NaN }, 5, 'x', [1], null];
    for (const each of bad) await give({ control: each });
    assert.deepEqual(
      ledger.errors,
      bad.map(() => 'EBADPARAM'),
    );
    assert.equal(await white(), 0);
  });

  it('passes on messages that carry settings for others', async () => {
    await start();
    for (const msg of [
      { prompt: 'sea' },
      { params: { strength: 0.4 } },
      { conditioning: {}, payload: '' },
      { prompt: 'sea', control: { low: 50 } },
    ]) {
      assert.ok(await give(msg));
    }
    assert.deepEqual(ledger.errors, []);
  });

  it('ends every message of a burst once, keeps the order, and draws the newest', async () => {
    await start({ kind: 'soft-edges' });
    const node = helper.getNode('control');
    for (let k = 0; k < 50; k++) node.receive({ payload: frames[k % 6], frame: { id: k } } as NodeMessage);
    await until(() => ledger.ended === 50);
    const ids = ledger.sent[0].map(({ frame }) => (frame as { id: number }).id);
    assert.ok(ids.length < 50 && ids.at(-1) === 49, String(ids));
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    );
    assert.deepEqual(ledger.errors, []);
  });

  it('draws what was on the Buffer when it came', async () => {
    await start({ kind: 'luminance' });
    const pixels = Buffer.alloc(32 * 32 * 3, 50);
    const node = helper.getNode('control');
    for (let k = 0; k < 3; k++) {
      pixels.fill(50 + k);
      node.receive({ payload: { data: pixels, width: 32, height: 32 } } as NodeMessage);
    }
    pixels.fill(200);
    await until(() => ledger.ended === 3);
    const shades = await Promise.all(
      ledger.sent[0].map(async (msg) => (await pixelsOf(mapOf(msg as Record<string, unknown>, 'luminance'))).data[0]),
    );
    assert.deepEqual(shades, [50, 52]);
  });

  it('refuses what is not a picture, and goes on', async () => {
    await start();
    const bad = [Buffer.alloc(0), frames[0].subarray(0, 300), 'text', 5, { width: 3 }, undefined];
    for (const payload of bad) assert.equal(await give({ payload }), undefined);
    assert.deepEqual(
      ledger.errors,
      bad.map(() => 'EBADFRAME'),
    );
    assert.ok(await give({ payload: frames[0] }));
  });

  it('goes on after its process was ended', async () => {
    await start();
    assert.ok(await give({ payload: frames[0] }));
    const [pid] = controlPool.pids;
    process.kill(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(await give({ payload: frames[0] }));
    assert.deepEqual(ledger.errors, []);
  });

  it('lets a net draw the map, beside the picture or, larger than that, in its place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'control-net-'));
    try {
      const net = join(folder, 'double.onnx');
      await writeFile(net, doublingNet());
      await start({ kind: 'net', net, picture: 'style' });
      const beside = await pixelsOf(mapOf(await give({ payload: frames[0] }), 'style'));
      assert.deepEqual([beside.width, beside.height, beside.channels], [64, 64, 3]);
      await helper.unload();
      await start({ kind: 'net', net, result: 'replace', invert: true });
      const larger = await pixelsOf((await give({ payload: frames[0] }))?.payload);
      assert.deepEqual([larger.width, larger.height], [128, 128]);
      const before = await pixelsOf(frames[0]);
      assert.ok(Math.abs(larger.data[0] - (255 - before.data[0])) < 8, 'its negative');
      const bad = [frames[0].subarray(0, 300), 'text'];
      for (const payload of bad) await give({ payload });
      assert.deepEqual(ledger.errors, ['EBADFRAME', 'EBADFRAME']);
      assert.ok(await give({ payload: frames[1] }));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('tells once what is wrong with its net', async () => {
    await start({ kind: 'net', net: '/nowhere/net.onnx' });
    for (let k = 0; k < 4; k++) assert.equal(await give({ payload: frames[0] }), undefined);
    assert.deepEqual(ledger.errors, ['ENOMODEL']);
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
      ledger = keepLedger('control', ['out']);
      assert.equal(await give({ payload: frames[0] }), undefined);
      assert.deepEqual(ledger.errors, ['EBADPARAM'], JSON.stringify(fields));
      await helper.unload();
    }
  });

  it('sends away a waiting frame when it is closed', async () => {
    await start();
    const node = helper.getNode('control');
    for (let k = 0; k < 3; k++) node.receive({ payload: frames[k] } as NodeMessage);
    await new Promise(setImmediate);
    await helper.setFlows(flowWith({ kind: 'blur' }), 'nodes');
    await until(() => ledger.ended === 3);
  });

  it('shows its rate, and that it is ready when nothing comes', async () => {
    await start();
    const statuses = calls('control', 'status') as { text: string }[];
    await until(() => {
      helper.getNode('control').receive({ payload: frames[0] } as NodeMessage);
      return statuses.some(({ text }) => / fps · /.test(text));
    });
    await until(() => statuses.at(-1)?.text.endsWith('ready') === true);
  });
});
