import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { newestPicture } from '../lib/sink-picture';
import { PATIENCE } from '../lib/until';

describe('the example that takes snapshots on an event', () => {
  let server: Server;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'snapshot-'));
    const flow = JSON.parse(await readFile(join(ROOT, 'examples/08 - Snapshot on event.json'), 'utf8')) as Record<string, unknown>[];
    const sink = flow.find(({ id }) => id === 'snapshot-sink');
    assert.ok(sink);
    sink.folder = join(folder, 'snapshots');
    server = await Server.startWith(flow, folder);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const post = (): Promise<Response> => fetch(`${server.address}/snapshot`, { method: 'POST' });
  const files = async (): Promise<string[]> => (await readdir(join(folder, 'snapshots')).catch(() => [])).sort();

  it('answers 503 and the reason while there is no picture yet', async () => {
    const response = await post();
    // On a fast machine there may be one already.
    if (response.status === 200) return assert.equal((await files()).length, 1);
    assert.equal(response.status, 503);
    assert.match(await response.text(), /no picture yet/);
    assert.deepEqual(await files(), []);
  });

  it('writes a file and answers the picture over HTTP', async () => {
    await newestPicture(server, 'watched');
    const before = await files();
    const response = await post();
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'image/jpeg']);
    const picture = Buffer.from(await response.arrayBuffer());
    const { format, width, height } = await sharp(picture).metadata();
    assert.deepEqual([format, width, height], ['jpeg', 256, 256]);
    const [file, ...others] = (await files()).filter((name) => !before.includes(name));
    assert.deepEqual(others, []);
    assert.match(file, /^watched .*\.jpg$/);
    assert.deepEqual(await readFile(join(folder, 'snapshots', file)), picture);
  });

  it('writes another one when the button is pressed', async () => {
    const before = await files();
    assert.equal((await fetch(`${server.address}/inject/snapshot-now`, { method: 'POST' })).status, 200);
    for (const end = performance.now() + PATIENCE; (await files()).length === before.length && performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal((await files()).length, before.length + 1);
  });

  it('goes on painting', async () => {
    const one = await newestPicture(server, 'watched');
    let another = one;
    for (
      const end = performance.now() + PATIENCE;
      another.equals(one) && performance.now() < end;
      another = await newestPicture(server, 'watched')
    ) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.notDeepEqual(another, one);
  });

  it('answers 503 and the reason when the folder cannot be written', async () => {
    await rm(join(folder, 'snapshots'), { recursive: true });
    await writeFile(join(folder, 'snapshots'), 'a file where the folder should be');
    const response = await post();
    assert.equal(response.status, 503);
    assert.match(await response.text(), /snapshots cannot be written/);
  });
});
