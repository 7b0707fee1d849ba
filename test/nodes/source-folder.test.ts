import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { join } from 'node:path';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { fileToJpeg } from '../../nodes/lib/common/jpeg';
import { sortInSlices } from '../../nodes/lib/common/sort-in-slices';
import source from '../../nodes/source';
import { isMostly, meanColour, solid } from '../lib/colours';
import { PATIENCE, calls, helper, messagesAt, startFlow, until } from '../lib/flow';
import { flowOf } from '../lib/source-flow';
import { strain } from '../lib/strain';

describe('frame source on a picture folder', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'source-'))));
  afterEach(async () => {
    await helper.unload();
    await rm(folder, { recursive: true });
  });

  it('shows its pictures as people count them, cropped to the size, over and over', async () => {
    await solid('#f00', join(folder, 'picture 2.png'));
    await solid('#00f', join(folder, 'picture 10.jpg'));
    await writeFile(join(folder, 'notes.txt'), 'not a picture');
    await startFlow([source], flowOf({ kind: 'folder', folder, interval: '30', width: '48', height: '48' }));
    const messages = await messagesAt('out', 5);
    const first = isMostly(await meanColour(messages[0].payload), 0) ? 0 : 1;
    for (const [i, msg] of messages.entries()) {
      const red = (i + first) % 2 === 0;
      assert.ok(isMostly(await meanColour(msg.payload), red ? 0 : 2), `message ${i}`);
      assert.equal(msg.filename, join(folder, red ? 'picture 2.png' : 'picture 10.jpg'));
      const { width, height } = await sharp(msg.payload as Buffer).metadata();
      assert.deepEqual([width, height], [48, 48]);
    }
  });

  it('ends after the last picture when it is not to loop, and begins again on reset', async () => {
    await solid('#f00', join(folder, 'a.png'));
    await solid('#0f0', join(folder, 'b.png'));
    await startFlow([source], flowOf({ kind: 'folder', folder, interval: '20', loop: false, autostart: false }));
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => arrived.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(arrived.length, 2);
    helper.getNode('source').receive({ reset: true });
    await until(() => arrived.length === 4);
    assert.ok(isMostly(await meanColour(arrived[2].payload), 0));
  });

  it('reports a picture that cannot be read and goes on with the next', async () => {
    await writeFile(join(folder, 'a.jpg'), 'torn');
    await solid('#0f0', join(folder, 'b.png'));
    await startFlow([source], flowOf({ kind: 'folder', folder, interval: '20', autostart: false }));
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    const messages = await messagesAt('out', 4);
    for (const msg of messages) assert.ok(isMostly(await meanColour(msg.payload), 1));
    assert.equal((errors[0] as { code: string }).code, 'EBADFRAME');
    assert.match(String(errors[0]), /a\.jpg/);
    assert.equal(errors.length, 1, 'once, not in every round');
  });

  it('leaves out what is not a picture or cannot be read, at no beat and told once, until it is written anew', async () => {
    for (const name of ['._a.png', '.hidden.jpg', '~$a.jpg', '.DS_Store']) await writeFile(join(folder, name), 'not a picture');
    await writeFile(join(folder, 'a0.jpg'), '');
    for (const name of ['a1.jpg', 'a2.jpg', 'a3.jpg']) await writeFile(join(folder, name), 'torn');
    await solid('#0f0', join(folder, 'b.png'));
    await solid('#00f', join(folder, 'c.png'));
    const { length } = await readdir(folder);
    await startFlow([source], flowOf({ kind: 'folder', folder, interval: '300', autostart: false }));
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    const began = performance.now();
    const messages = await messagesAt('out', 5);
    // Where each file had a beat, it would be almost thirty.
    assert.ok(performance.now() - began < 300 * 2 * length * strain(), 'five pictures in five beats');
    assert.deepEqual(
      messages.map(({ filename }) => (filename as string).slice(-5)),
      ['b.png', 'c.png', 'b.png', 'c.png', 'b.png'],
    );
    assert.equal(errors.length, 3, errors.join());
    await solid('#f00', join(folder, 'a2.jpg'));
    const later = await messagesAt('out', 12);
    assert.ok(later.some(({ filename }) => (filename as string).endsWith('a2.jpg')));
    assert.equal(errors.length, 3);
  });

  it('a file that is too large for a picture, or none at all, is refused before it is read', async () => {
    const large = await open(join(folder, 'a.jpg'), 'w');
    await large.truncate(20e9);
    await large.close();
    if (process.platform !== 'win32') execFileSync('mkfifo', [join(folder, 'b.jpg')]);
    await assert.rejects(fileToJpeg(join(folder, 'a.jpg'), 16, 16, 80), {
      code: 'EBADFRAME',
      message: /20000000000 bytes, of at most 67108864/,
    });
    if (process.platform !== 'win32')
      await assert.rejects(fileToJpeg(join(folder, 'b.jpg'), 16, 16, 80), { code: 'EBADFRAME', message: /regular file/ });
  });

  it('says so when no picture of a folder can be read, and tries again', async () => {
    await writeFile(join(folder, 'a.jpg'), 'torn');
    await startFlow([source], flowOf({ kind: 'folder', folder, interval: '20', autostart: false }));
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => errors.length === 2);
    assert.match(String(errors[1]), /none of the 1 pictures/);
  });

  it('holds up nothing else, however many pictures there are', async () => {
    const names = Array.from({ length: 10_000 }, (_, k) => `picture ${(k * 7919) % 10_000}.jpg`);
    const byName = new Intl.Collator('en', { numeric: true });
    // The best of five: what else a machine does now and then holds it up as well.
    let longest = Infinity;
    for (let k = 0; k < 5; k++) {
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      await new Promise((resolve) => setTimeout(resolve, 50));
      delay.reset();
      const sorted = await sortInSlices(names, byName.compare);
      await new Promise((resolve) => setTimeout(resolve, 50));
      delay.disable();
      assert.deepEqual(sorted.slice(0, 3), ['picture 0.jpg', 'picture 1.jpg', 'picture 2.jpg']);
      assert.equal(sorted.at(-1), 'picture 9999.jpg');
      longest = Math.min(longest, delay.max / 1e6);
    }
    console.log(`      10,000 names: the event loop stood still for ${longest.toFixed(0)} ms at most`);
    assert.ok(longest < 60 * strain(), `${longest} ms`);
  });

  it('shows a picture that is added next, as soon as it is whole', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await solid('#f00', join(folder, `${name}.png`));
    await startFlow([source], flowOf({ kind: 'folder', folder, interval: '200' }));
    await messagesAt('out', 1);
    const picture = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#00f' } })
      .png()
      .toBuffer();
    const errors = calls('source', 'error');
    await writeFile(join(folder, 'z.png'), picture.subarray(0, 60));
    setTimeout(() => void writeFile(join(folder, 'z.png'), picture), 400);
    const messages = await messagesAt('out', 14);
    const blue = await Promise.all(messages.map(async (msg) => isMostly(await meanColour(msg.payload), 2)));
    assert.ok(blue.indexOf(true) >= 0 && blue.indexOf(true) < 12, `${blue}`);
    assert.deepEqual(errors, [], 'half a file is nobody’s fault');
  });

  it('shows only new and overwritten pictures when that is wanted', async () => {
    await solid('#f00', join(folder, 'old.png'));
    await startFlow([source], flowOf({ kind: 'folder', folder, interval: '50', onlyNew: true, autostart: false }));
    const arrived: NodeMessage[] = [];
    helper.getNode('out').on('input', (msg) => arrived.push(msg));
    const states = calls('source', 'status');
    helper.getNode('source').receive({ payload: 'start' });
    await until(
      () => states.some((state) => (state as { text: string }).text === 'status.waiting-picture'),
      PATIENCE,
      () => JSON.stringify(states),
    );
    await solid('#0f0', join(folder, 'new.png'));
    await until(() => arrived.length === 1);
    await solid('#00f', join(folder, 'old.png'), 50, 50);
    await until(() => arrived.length === 2);
    assert.ok(isMostly(await meanColour(arrived[0].payload), 1));
    assert.ok(isMostly(await meanColour(arrived[1].payload), 2));
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(arrived.length, 2, 'each once');
  });

  it('names a folder that is not there, or holds no picture', async () => {
    for (const [path, sentence] of [
      [join(folder, 'nowhere'), /no such folder/],
      // Nobody sees in which folder Node-RED was started.
      ['nowhere/pictures', /no such folder: nowhere\/pictures \(that is [/\\A-Z].*nowhere.pictures\)/],
      [folder, /holds no picture/],
    ] as const) {
      await startFlow([source], flowOf({ kind: 'folder', folder: path, interval: '20', autostart: false }));
      const errors = calls('source', 'error');
      helper.getNode('source').receive({ payload: 'start' });
      await until(() => errors.length > 0);
      assert.equal((errors[0] as { code: string }).code, 'ESOURCE');
      assert.match(String(errors[0]), sentence);
      await new Promise((elapsed) => setTimeout(elapsed, 100));
      assert.equal(errors.length, 1, 'said once');
      await helper.unload();
    }
  });
});
