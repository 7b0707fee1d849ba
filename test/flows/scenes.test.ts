import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { PATIENCE } from '../lib/until';
import { isDay, isNight } from '../lib/starter';

const SCENES = [
  { name: 'day', seconds: 4, prompt: 'desert, day, sun', transition: 300, params: { strength: 0.8 } },
  { name: 'night', seconds: 4, prompt: 'night', transition: 300, params: { strength: 0.8 } },
];

interface SavedNode {
  id: string;
  props?: { v?: string }[];
}

describe('the example that walks through scenes', function () {
  this.timeout(180_000);
  let server: Server;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scenes-'));
    const flow = JSON.parse(await readFile(join(ROOT, 'examples/03 - Schedule of scenes.json'), 'utf8')) as SavedNode[];
    const list = flow.find(({ id }) => id === 'scenes-list');
    list!.props![0].v = JSON.stringify(SCENES);
    await writeFile(join(folder, 'flows.json'), JSON.stringify(flow));
    server = await Server.start(['--example', '3', '--user-dir', folder]);
    await server.ready();
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** As the editor does when a button is pressed. */
  async function press(button: string): Promise<void> {
    const { status } = await fetch(`${server.address}/inject/scenes-${button}`, { method: 'POST' });
    assert.equal(status, 200);
  }

  async function brightness(): Promise<number> {
    const response = await fetch(`${server.address}/streamdiffusion/scenes.jpg`);
    if (response.status !== 200) return NaN;
    const { channels } = await sharp(Buffer.from(await response.arrayBuffer())).stats();
    return channels.reduce((sum, { mean }) => sum + mean, 0) / channels.length;
  }

  async function becomes(isSo: (value: number) => boolean, what: string): Promise<number> {
    let value = NaN;
    for (const end = performance.now() + PATIENCE; performance.now() < end && !isSo(value); ) {
      value = await brightness();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(isSo(value), `${what}: the brightness is ${value}`);
    return value;
  }

  it('goes from scene to scene by itself, round and round', async () => {
    await becomes(isDay, 'day');
    await becomes(isNight, 'night');
    await becomes(isDay, 'day again');
  });

  it('stays where it is paused, jumps all the same, and goes on', async () => {
    await press('pause');
    await press('night');
    await becomes(isNight, 'jumped to night');
    for (const end = performance.now() + 6000; performance.now() < end; ) {
      assert.ok(isNight(await brightness()), 'it stays night');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await press('next');
    await becomes(isDay, 'the next one');
    await press('go-on');
    await becomes(isNight, 'night by itself');
  });

  it('had nothing to complain about', () => assert.doesNotMatch(server.output, /\[error\]/));
});
