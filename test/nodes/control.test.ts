import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { controlPool } from '../../engine/image/codec-pool';
import { flowWith, mapOf, type Message, pixelsOf, setControlMap } from '../lib/control-map';
import { calls, helper, until } from '../lib/flow';
import { doublingNet } from '../lib/picture-nets';

describe('control map', () => {
  const map = setControlMap();

  it('lays the map beside the picture under its name, and leaves all else as it was', async () => {
    await map.start({ kind: 'edges' });
    const pictures = { depth: Buffer.from('another') };
    const out = await map.give({ payload: map.frames[0], pictures, mine: 1, topic: 'a' });
    assert.equal(out?.payload, map.frames[0]);
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
        await map.start({ kind, picture });
        const out = await map.give({ payload: map.frames[1] });
        const { width, height, channels, format } = await pixelsOf(mapOf(out, picture || kind));
        assert.deepEqual([width, height, channels, format], kind === 'blur' ? [64, 64, 3, 'jpeg'] : [64, 64, 1, 'png'], kind);
        await helper.unload();
      }
    }
  });

  it('takes the place of the picture where that is wanted', async () => {
    await map.start({ kind: 'blur', result: 'replace' });
    const out = await map.give({ payload: map.frames[0] });
    assert.equal((await pixelsOf(out?.payload)).format, 'jpeg');
    assert.equal(out?.contentType, 'image/jpeg');
    assert.equal(out?.pictures, undefined);
  });

  it('has the proportions of the picture and its chosen size, never more than the picture', async () => {
    const large = await sharp(map.frames[0]).resize(640, 360, { fit: 'fill' }).jpeg().toBuffer();
    await map.start({ kind: 'luminance', size: '180' });
    const { width, height } = await pixelsOf(mapOf(await map.give({ payload: large }), 'luminance'));
    assert.deepEqual([width, height], [320, 180]);
    const small = await pixelsOf(mapOf(await map.give({ payload: map.frames[0] }), 'luminance'));
    assert.deepEqual([small.width, small.height], [64, 64]);
  });

  it('takes pictures in all forms', async () => {
    await map.start({ kind: 'luminance' });
    const grey = { data: Buffer.alloc(16 * 8, 77), width: 16, height: 8, channels: 1 };
    for (const payload of [map.frames[0].toString('base64'), grey, { bitmap: { data: Buffer.alloc(64 * 4, 200), width: 8, height: 8 } }]) {
      assert.ok(mapOf(await map.give({ payload }), 'luminance'));
    }
    assert.deepEqual(map.ledger.errors, []);
    assert.deepEqual(new Set((await pixelsOf(mapOf(await map.give({ payload: grey }), 'luminance'))).data), new Set([77]));
  });

  it('keeps the topics apart', async () => {
    await map.start({ kind: 'movement' });
    const brightest = async (topic: string, k: number): Promise<number> =>
      Math.max(...(await pixelsOf(mapOf(await map.give({ payload: map.frames[k], topic }), 'movement'))).data);
    assert.equal(await brightest('a', 0), 0);
    assert.equal(await brightest('b', 3), 0);
    assert.equal(await brightest('a', 0), 0);
    assert.ok((await brightest('b', 0)) > 30);
  });

  it('passes on messages that carry settings for others', async () => {
    await map.start();
    for (const msg of [
      { prompt: 'sea' },
      { params: { strength: 0.4 } },
      { conditioning: {}, payload: '' },
      { prompt: 'sea', control: { low: 50 } },
    ]) {
      assert.ok(await map.give(msg));
    }
    assert.deepEqual(map.ledger.errors, []);
  });

  it('ends every message of a burst once, keeps the order, and draws the newest', async () => {
    await map.start({ kind: 'soft-edges' });
    const node = helper.getNode('control');
    for (let k = 0; k < 50; k++) node.receive({ payload: map.frames[k % 6], frame: { id: k } } as NodeMessage);
    await until(() => map.ledger.ended === 50);
    const ids = map.ledger.sent[0].map(({ frame }) => (frame as { id: number }).id);
    assert.ok(ids.length < 50 && ids.at(-1) === 49, String(ids));
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    );
    assert.deepEqual(map.ledger.errors, []);
  });

  it('draws what was on the Buffer when it came', async () => {
    await map.start({ kind: 'luminance' });
    const pixels = Buffer.alloc(32 * 32 * 3, 50);
    const node = helper.getNode('control');
    for (let k = 0; k < 3; k++) {
      pixels.fill(50 + k);
      node.receive({ payload: { data: pixels, width: 32, height: 32 } } as NodeMessage);
    }
    pixels.fill(200);
    await until(() => map.ledger.ended === 3);
    const shades = await Promise.all(map.ledger.sent[0].map(async (msg) => (await pixelsOf(mapOf(msg as Message, 'luminance'))).data[0]));
    assert.deepEqual(shades, [50, 52]);
  });

  it('refuses what is not a picture, and goes on', async () => {
    await map.start();
    const bad = [Buffer.alloc(0), map.frames[0].subarray(0, 300), 'text', 5, { width: 3 }, undefined];
    for (const payload of bad) assert.equal(await map.give({ payload }), undefined);
    assert.deepEqual(
      map.ledger.errors,
      bad.map(() => 'EBADFRAME'),
    );
    assert.ok(await map.give({ payload: map.frames[0] }));
  });

  it('goes on after its process was ended', async () => {
    await map.start();
    assert.ok(await map.give({ payload: map.frames[0] }));
    const [pid] = controlPool.pids;
    process.kill(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(await map.give({ payload: map.frames[0] }));
    assert.deepEqual(map.ledger.errors, []);
  });

  it('lets a net draw the map, beside the picture or, larger than that, in its place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'control-net-'));
    try {
      const net = join(folder, 'double.onnx');
      await writeFile(net, doublingNet());
      await map.start({ kind: 'net', net, picture: 'style' });
      const beside = await pixelsOf(mapOf(await map.give({ payload: map.frames[0] }), 'style'));
      assert.deepEqual([beside.width, beside.height, beside.channels], [64, 64, 3]);
      await helper.unload();
      await map.start({ kind: 'net', net, result: 'replace', invert: true });
      const larger = await pixelsOf((await map.give({ payload: map.frames[0] }))?.payload);
      assert.deepEqual([larger.width, larger.height], [128, 128]);
      const before = await pixelsOf(map.frames[0]);
      assert.ok(Math.abs(larger.data[0] - (255 - before.data[0])) < 8, 'its negative');
      const bad = [map.frames[0].subarray(0, 300), 'text'];
      for (const payload of bad) await map.give({ payload });
      assert.deepEqual(map.ledger.errors, ['EBADFRAME', 'EBADFRAME']);
      assert.ok(await map.give({ payload: map.frames[1] }));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('tells once what is wrong with its net', async () => {
    await map.start({ kind: 'net', net: '/nowhere/net.onnx' });
    for (let k = 0; k < 4; k++) assert.equal(await map.give({ payload: map.frames[0] }), undefined);
    assert.deepEqual(map.ledger.errors, ['ENOMODEL']);
  });

  it('sends away a waiting frame when it is closed', async () => {
    await map.start();
    const node = helper.getNode('control');
    for (let k = 0; k < 3; k++) node.receive({ payload: map.frames[k] } as NodeMessage);
    await new Promise(setImmediate);
    await helper.setFlows(flowWith({ kind: 'blur' }), 'nodes');
    await until(() => map.ledger.ended === 3);
  });

  it('shows its rate, and that it is ready when nothing comes', async () => {
    await map.start();
    const statuses = calls('control', 'status') as { text: string }[];
    await until(() => {
      helper.getNode('control').receive({ payload: map.frames[0] } as NodeMessage);
      return statuses.some(({ text }) => / fps · /.test(text));
    });
    await until(() => statuses.at(-1)?.text.endsWith('ready') === true);
  });
});
