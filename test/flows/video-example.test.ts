import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { needFfmpeg } from '../lib/ffmpeg';
import { readMjpeg } from '../lib/mjpeg';
import { Server } from '../lib/server';
import { PATIENCE, answered } from '../lib/until';

const run = promisify(execFile);

describe('the example "Video file"', () => {
  it('paints a film from the press on play on, and stops', async function () {
    await needFfmpeg.call(this);
    const folder = await mkdtemp(join(tmpdir(), 'film-'));
    const film = join(folder, 'film.mp4');
    await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=2', '-pix_fmt', 'yuv420p', film]);
    const server = await Server.start(['--example', 'Video file']);
    try {
      await server.ready();
      const press = (button: string): Promise<Response> => fetch(`${server.address}/inject/video-file-${button}`, { method: 'POST' });
      // As the author does it: the video into the dialog, and Deploy.
      await server.change('streamdiffusion-source', { video: film });
      // The flows are started anew meanwhile.
      await answered(() => press('play'));
      const viewer = readMjpeg(`${server.address}/streamdiffusion/film.mjpg`);
      const pictures = new Set<string>();
      for (let k = 0; k < 12; k++) {
        const { value } = await viewer.next();
        assert.ok(value);
        assert.equal((await sharp(value.jpeg).metadata()).width, 256);
        pictures.add(value.jpeg.toString('base64'));
      }
      await viewer.return();
      assert.ok(pictures.size >= 10, `${pictures.size} of 12 pictures differ`);
      assert.equal((await press('stop')).status, 200);
      const newest = async (): Promise<string> => (await fetch(`${server.address}/streamdiffusion/film.jpg`)).text();
      const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1000));
      // What was under way comes to its end.
      let [last, before] = [await newest(), ''];
      for (const end = performance.now() + PATIENCE; last !== before && performance.now() < end; last = await newest()) {
        before = last;
        await pause();
      }
      await pause();
      assert.equal(await newest(), last, 'nothing moves after the stop');
    } finally {
      await server.stop();
      await rm(folder, { recursive: true });
    }
  });
});
