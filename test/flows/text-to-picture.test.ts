import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { brightness } from '../lib/sink-picture';
import { strain } from '../lib/strain';
import { PATIENCE } from '../lib/until';
import { DAY_ABOVE_NIGHT } from '../lib/starter';

const run = promisify(execFile);

describe('the example that paints texts over HTTP', () => {
  let server: Server;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'text-picture-'));
    const flow = JSON.parse(await readFile(join(ROOT, 'examples/07 - Text to picture over HTTP.json'), 'utf8')) as Record<
      string,
      unknown
    >[];
    const deadline = flow.find(({ id }) => id === 'text-picture-deadline');
    assert.ok(deadline);
    deadline.timeout = '4';
    server = await Server.startWith(flow, folder);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = (query: Record<string, string>): Promise<Response> => fetch(`${server.address}/picture?${new URLSearchParams(query)}`);

  /** The picture; asks again while the engine is loading, or busy for longer than the example's deadline. */
  async function picture(query: Record<string, string>): Promise<Buffer> {
    let response = await ask(query);
    for (const end = performance.now() + PATIENCE; response.status !== 200 && performance.now() < end; response = await ask(query)) {
      assert.ok([404, 503].includes(response.status), await response.text());
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.equal(response.status, 200, server.output);
    assert.equal(response.headers.get('content-type'), 'image/jpeg');
    return Buffer.from(await response.arrayBuffer());
  }

  it('answers a picture of the text', async () => {
    const day = await picture({ prompt: 'desert, day, sun', seed: '7' });
    const { format, width, height } = await sharp(day).metadata();
    assert.deepEqual([format, width, height], ['jpeg', 256, 256]);
    const night = await picture({ prompt: 'night, aurora, snow', seed: '7' });
    assert.ok((await brightness(day)) > (await brightness(night)) + DAY_ABOVE_NIGHT);
  });

  it('answers the same picture for the same text and seed, and another one without a seed', async () => {
    const seeded = await picture({ prompt: 'forest', seed: '7' });
    assert.deepEqual(await picture({ prompt: 'forest', seed: '7' }), seeded);
    assert.notDeepEqual(await picture({ prompt: 'forest' }), await picture({ prompt: 'forest' }));
  });

  it('has a prompt of its own for those who ask for none', async () => {
    const sunset = await picture({ prompt: 'sunset over the sea', seed: '7' });
    await picture({ prompt: 'night, aurora, snow', seed: '7' });
    assert.deepEqual(await picture({ seed: '7' }), sunset);
  });

  it('answers each of several who ask at once with the picture of their own text', async () => {
    const texts = ['desert, day, sun', 'night, aurora, snow', 'forest', 'pastel castle on a hill', 'sunset over the sea', 'fog'];
    const pictures = await Promise.all(texts.map((prompt) => picture({ prompt, seed: '7' })));
    assert.equal(new Set(pictures.map((each) => each.toString('base64'))).size, texts.length);
    const [day, night] = await Promise.all(pictures.slice(0, 2).map(brightness));
    assert.ok(day > night + 20, `day ${day}, night ${night}`);
  });

  it('answers 400 and the reason to a seed that is none', async () => {
    const response = await ask({ prompt: 'forest', seed: 'seven' });
    assert.equal(response.status, 400);
    assert.match(await response.text(), /seed/);
  });

  it('answers 503 at the deadline when the engine does not answer, and paints again when it does', async () => {
    const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(server.child.pid)]);
    const engines = stdout
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0);
    for (const pid of engines) process.kill(pid, 'SIGSTOP');
    const asked = performance.now();
    const response = await ask({ prompt: 'forest' }).finally(() => engines.forEach((pid) => process.kill(pid, 'SIGCONT')));
    const waited = performance.now() - asked;
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('retry-after'), '2');
    assert.ok(waited > 3500 && waited < 8000 * strain(), `it took ${waited} ms`);
    await picture({ prompt: 'forest' });
  });
});
