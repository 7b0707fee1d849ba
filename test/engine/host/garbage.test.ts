import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scene } from '../../../bench/scenes';
import { makeWeightlessModel, removeModel } from '../../../bench/weightless-model';
import { acquireHost, stopAllHosts } from '../../../engine/host/client';
import type { StreamSettings } from '../../../engine/host/protocol/messages';

const SIZE = 512;
/** Before they are counted: what loading leaves behind is collected, and functions are compiled. */
const FIRST = 30;
const FRAMES = 100;

/** In the engine process: writes a byte for every collection that goes through the whole heap. */
const countingInto = (file: string): string => `
  const { PerformanceObserver, constants } = require('node:perf_hooks');
  if (process.send && require('node:worker_threads').isMainThread) {
    new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries()) {
        if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) require('node:fs').appendFileSync(${JSON.stringify(file)}, '.');
      }
    }).observe({ entryTypes: ['gc'] });
  }`;

describe('host: garbage of the engine process', () => {
  let folder: string;
  let model: string;
  const { NODE_OPTIONS } = process.env;
  const picture = scene(SIZE, 0);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'garbage-'));
    model = makeWeightlessModel('float32', picture);
    await writeFile(join(folder, 'count.cjs'), countingInto(join(folder, 'collections')));
    process.env.NODE_OPTIONS = `--require ${join(folder, 'count.cjs')}`;
  });
  after(async () => {
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = NODE_OPTIONS;
    await stopAllHosts();
    removeModel(model);
    await rm(folder, { recursive: true });
  });

  it('pictures that come and go do not have the whole heap searched again and again', async () => {
    const options: StreamSettings = { mode: 'img2img', width: SIZE, height: SIZE, tIndexList: [25], cfgType: 'none', format: 'raw' };
    const stream = acquireHost({ model }).openStream(options);
    await stream.setConditioning({ prompt: [{ text: 'hills', weight: 1 }] });
    const show = async (frames: number): Promise<void> => {
      for (let k = 0; k < frames; k++) await stream.submit({ picture: { kind: 'raw', ...picture } });
    };
    const collections = async (): Promise<number> => (await readFile(join(folder, 'collections')).catch(() => '')).length;
    await show(FIRST);
    const before = await collections();
    await show(FRAMES);
    const count = (await collections()) - before;
    assert.ok(count <= FRAMES / 20, `${count} in ${FRAMES} frames`);
  });
});
