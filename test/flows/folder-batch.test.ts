import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { answered, eventually } from '../lib/until';

const NAMES = ['one.png', 'two.jpg', 'three.webp', ...Array.from({ length: 9 }, (_, k) => `more ${k}.png`)];

describe('the example that paints a folder of pictures', () => {
  let server: Server;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'batch-'));
    await mkdir(join(folder, 'pictures'));
    for (const [k, name] of NAMES.entries()) {
      const picture = sharp({ create: { width: 320, height: 200, channels: 3, background: { r: k * 20, g: 120, b: 240 - k * 20 } } });
      await picture.toFile(join(folder, 'pictures', name));
    }
    const flow = JSON.parse(await readFile(join(ROOT, 'examples/09 - Picture folder batch.json'), 'utf8')) as Record<string, unknown>[];
    const node = (id: string): Record<string, unknown> => {
      const found = flow.find((each) => each.id === `batch-${id}`);
      assert.ok(found, id);
      return found;
    };
    node('source').folder = join(folder, 'pictures');
    // Faster than the engine can be: it leaves pictures out, and is still loading when the first ones come.
    node('source').interval = '10';
    node('name').func = String(node('name').func).replace("'painted'", JSON.stringify(join(folder, 'painted')));
    server = await Server.startWith(flow, folder);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const painted = async (): Promise<string[]> => (await readdir(join(folder, 'painted')).catch(() => [])).sort();

  it('paints every picture, under its own name, also those that were left out at first', async () => {
    await answered(() => fetch(`${server.address}/inject/batch-begin`, { method: 'POST' }));
    await eventually(async () => (await painted()).length >= NAMES.length);
    const wanted = NAMES.map((name) => (name.endsWith('.jpg') ? name : `${name}.jpg`));
    assert.deepEqual(await painted(), wanted.sort());
  });

  it('as pictures that differ from each other', async () => {
    const read = async (): Promise<Buffer[]> => Promise.all((await painted()).map((name) => readFile(join(folder, 'painted', name))));
    // A file may have its name a moment before its last byte.
    await eventually(async () => (await read()).every((file) => file.subarray(-2).toString('hex') === 'ffd9'));
    const pictures = await read();
    for (const picture of pictures) {
      const { format, width, height } = await sharp(picture).metadata();
      assert.deepEqual([format, width, height], ['jpeg', 256, 256]);
    }
    assert.equal(new Set(pictures.map((picture) => picture.toString('base64'))).size, NAMES.length);
  });

  it('leaves the originals as they are, and had nothing to complain about', async () => {
    assert.deepEqual((await readdir(join(folder, 'pictures'))).sort(), [...NAMES].sort());
    assert.doesNotMatch(server.output, /\[error\]/);
  });
});
