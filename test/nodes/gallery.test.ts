import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { GalleryPicture } from '../../nodes/lib/sink/gallery';
import sink from '../../nodes/sink';
import { coloured } from '../lib/colours';
import { calls, helper, messagesAt, until, type FlowNode } from '../lib/flow';
import { WebFlow } from '../lib/web-flow';

const DAY = 86_400_000;
const jpeg = (): Promise<Buffer> => coloured('#246').jpeg().toBuffer();

describe('gallery of a sink', () => {
  let web: WebFlow;
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'gallery-'))));
  afterEach(async () => {
    await web.stop();
    await rm(folder, { recursive: true });
  });

  async function start(more: object = {}, settings: object = {}): Promise<void> {
    const node: FlowNode = {
      id: 'sink',
      type: 'streamdiffusion-sink',
      name: 'house',
      gallery: 'open',
      minFree: '0',
      wires: [['out']],
      ...more,
    };
    web = await WebFlow.start([sink], [node, { id: 'out', type: 'helper' }], { settings: { userDir: folder, ...settings } });
  }
  async function snapshot(): Promise<string> {
    const arrives = messagesAt('out', 1);
    helper.getNode('sink').receive({ payload: await jpeg(), snapshot: true });
    const [{ gallery, filename }] = (await arrives) as { gallery?: string; filename?: string }[];
    assert.equal(filename, undefined, 'a gallery is enough of a place for snapshots');
    return gallery?.replace(/^.*\/streamdiffusion\//, '') ?? '';
  }
  const ask = (path: string, init?: RequestInit): Promise<Response> => fetch(`${web.address}/${path}`, init);

  it('is there where the dialog says so, and stands in the list of pages', async () => {
    await start({ gallery: 'off' });
    assert.equal((await ask('house/gallery')).status, 404);
    await web.stop();
    await start();
    const page = await ask('house/gallery');
    assert.equal(page.status, 200);
    assert.doesNotMatch(await page.text(), /\{\{|https?:\/\/(?!www\.w3\.org)/, 'it needs nothing from elsewhere');
    assert.match(await (await fetch(web.address)).text(), /gallery: 'house'/);
  });

  it('takes snapshots, and gives a picture to whoever knows its name', async () => {
    await start();
    const path = await snapshot();
    assert.match(path, /^house\/gallery\/[\w-]{22}$/);
    const { pictures } = (await (await ask('house/gallery/list')).json()) as { pictures: GalleryPicture[] };
    assert.deepEqual(
      pictures.map(({ id }) => id),
      [path.split('/').at(-1)],
    );
    const page = await ask(path);
    assert.match(page.headers.get('content-type') ?? '', /html/);
    const picture = await ask(`${path}.jpg?download`);
    assert.equal(picture.headers.get('content-type'), 'image/jpeg');
    assert.match(picture.headers.get('content-disposition') ?? '', /^attachment; filename="house \d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.jpg"$/);
    assert.equal((await sharp(Buffer.from(await picture.arrayBuffer())).metadata()).width, 64);
    for (const each of [page, picture]) {
      assert.equal(each.headers.get('x-robots-tag'), 'noindex');
      assert.equal(each.headers.get('referrer-policy'), 'no-referrer', 'the name of a picture is told to no other site');
    }
    for (const wrong of [
      `house/gallery/${'a'.repeat(22)}`,
      `house/gallery/${'a'.repeat(22)}.jpg`,
      'house/gallery/..%2f..%2fflows.json',
      'house/gallery/x',
    ])
      assert.equal((await ask(wrong)).status, 404, wrong);
  });

  it('lists its pictures for nobody from outside unless it is opened on purpose', async () => {
    await start({ gallery: 'login' });
    const path = await snapshot();
    const list = await ask('house/gallery/list');
    assert.equal(list.status, 401);
    assert.doesNotMatch(await list.text(), new RegExp(path.split('/').at(-1)!));
    assert.doesNotMatch(await (await ask('house/gallery')).text(), new RegExp(path.split('/').at(-1)!));
    assert.equal((await ask(path)).status, 200);
    assert.equal((await ask(`${path}.jpg`)).status, 200);
    assert.equal((await ask(`${path}.jpg`, { method: 'DELETE' })).status, 404, 'nobody deletes there');
    assert.equal((await ask(`${path}.jpg`, { headers: { Origin: 'http://elsewhere.example' } })).status, 403);
  });

  it('keeps snapshots over a redeploy, and goes on deleting them when it is switched off', async () => {
    await start();
    const path = await snapshot();
    await web.stop();
    await start();
    assert.equal((await ask(path)).status, 200);
    await web.stop();
    const old = `${Date.now() - 8 * DAY}-${'c'.repeat(22)}.jpg`;
    const place = join(folder, 'streamdiffusion', 'gallery', 'house');
    await writeFile(join(place, old), await jpeg());
    await start({ gallery: 'off' });
    let left = [old];
    const watch = setInterval(() => void readdir(place).then((names) => (left = names)), 50);
    try {
      await until(() => !left.includes(old) && left.length === 1);
    } finally {
      clearInterval(watch);
    }
    assert.equal((await ask(path)).status, 404);
  });

  for (const first of ['with', 'without'] as const)
    it(`is deleted from by the sink that has the name alone, the one ${first} a gallery being there first`, async () => {
      const old = `${Date.now() - 8 * DAY}-${'c'.repeat(22)}.jpg`;
      const place = join(folder, 'streamdiffusion', 'gallery', 'house');
      await mkdir(place, { recursive: true });
      await writeFile(join(place, old), await jpeg());
      const common = { type: 'streamdiffusion-sink', name: 'house', minFree: '0', wires: [[]] };
      const keeps = { ...common, id: 'first', gallery: 'open', galleryDays: '30' };
      const off = { ...common, id: 'second', gallery: 'off', galleryDays: '30' };
      const late = { galleryDays: '1' };
      const nodes = first === 'with' ? [keeps, { ...off, ...late }] : [off, { ...keeps, ...late }];
      web = await WebFlow.start([sink], nodes, { settings: { userDir: folder } });
      assert.equal((await ask('house/gallery')).status, first === 'with' ? 200 : 404);
      // Whoever reads the folder is done with it by then.
      await web.stop();
      assert.deepEqual(await readdir(place), [old]);
    });

  it('keeps a picture for its visitor where the folder for files cannot be written, and says so', async () => {
    await writeFile(join(folder, 'a file'), '');
    await start({ folder: join(folder, 'a file', 'snapshots') });
    const errors = calls('sink', 'error');
    const kept = messagesAt('out', 1);
    helper.getNode('sink').receive({ payload: await jpeg(), snapshot: true });
    const [{ filename, gallery }] = (await kept) as { filename?: string; gallery?: string }[];
    assert.equal(filename, undefined);
    assert.equal((await ask(gallery!.replace(/^.*\/streamdiffusion\//, ''))).status, 200);
    assert.deepEqual(
      errors.map((error) => (error as { code: string }).code),
      ['EDISK'],
    );
  });

  it('says what is wrong: a field, a snapshot before the first picture', async () => {
    await start();
    const errors = calls('sink', 'error') as (Error & { code: string })[];
    helper.getNode('sink').receive({ snapshot: true } as never);
    await until(() => errors.length === 1);
    assert.equal(errors[0].code, 'EBADFRAME');
    await web.stop();
    for (const [field, value] of [
      ['gallery', 'public'],
      ['galleryDays', '0'],
      ['galleryMost', '2.5'],
    ]) {
      await start({ [field]: value });
      const said = calls('sink', 'error') as (Error & { code: string })[];
      helper.getNode('sink').receive({ payload: await jpeg() });
      await until(() => said.length > 0);
      assert.equal(said[0].code, 'EBADPARAM');
      assert.match(said[0].message, new RegExp(field));
      await web.stop();
    }
    await start();
  });
});
