import assert from 'node:assert/strict';
import { hooks } from '@node-red/util';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { stopAllHosts } from '../../engine/host/client';
import { codecPool } from '../../engine/image/codec-pool';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import filter from '../../nodes/filter';
import sink from '../../nodes/sink';
import { calls, helper, PATIENCE, until } from '../lib/flow';
import { withoutCodec } from '../lib/no-codec';
import { jpegs } from '../lib/pictures';
import { WebFlow } from '../lib/web-flow';

describe("a machine without sharp's native part", () => {
  before(() => codecPool.close());
  after(async () => {
    await stopAllHosts();
    codecPool.close();
  });

  it('is told as that, once and not with every frame, and its health is not ok', async () => {
    await withoutCodec(async (bringBack) => {
      const web = await WebFlow.start(
        [engine, denoiser, filter, sink],
        [
          { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
          { id: 'filter', type: 'streamdiffusion-filter', wires: [['end'], ['end']] },
          { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', width: '32', height: '32', steps: '1', wires: [['end']] },
          { id: 'sink', type: 'streamdiffusion-sink', name: 'bare' },
          { id: 'end', type: 'helper' },
        ],
      );
      const ended: Record<string, (string | undefined)[]> = { filter: [], denoiser: [], sink: [] };
      hooks.add(
        'onComplete.codec',
        ({ node, error }: { node: { id: string }; error?: { code: string } }) => void ended[node.id]?.push(error?.code),
      );
      const told = calls('sink', 'error') as { code: string }[];
      const [frame] = await jpegs(1);
      const png = await sharp(frame.data).png().toBuffer();
      const health = async (): Promise<{ status: number; body: { status: string; error?: string; engines: { error?: string }[] } }> => {
        const response = await fetch(`${web.address}/health`);
        return { status: response.status, body: (await response.json()) as Awaited<ReturnType<typeof health>>['body'] };
      };
      for (const end = performance.now() + PATIENCE; (await health()).body.engines[0]?.error !== 'ENOCODEC'; )
        assert.ok(performance.now() < end);
      for (let k = 0; k < 20; k++) {
        for (const id of ['filter', 'denoiser', 'sink'])
          helper.getNode(id).receive({ payload: id === 'sink' ? png : Buffer.from(frame.data), k } as NodeMessage);
        await fetch(`${web.address}/bare.jpg`);
      }
      await until(
        () => Object.values(ended).every(({ length }) => length === 20),
        PATIENCE,
        () => JSON.stringify(ended),
      );
      hooks.remove('onComplete.codec');
      for (const id of ['filter', 'denoiser']) assert.deepEqual(ended[id].filter(Boolean), ['ENOCODEC'], id);
      assert.deepEqual(
        told.map(({ code }) => code),
        ['ENOCODEC'],
      );
      const { status, body } = await health();
      assert.deepEqual([status, body.status, body.error], [503, 'unwell', 'ENOCODEC']);
      await bringBack();
      await web.stop();
    });
  });
});
