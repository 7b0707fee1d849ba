import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Gallery, type Clocks, type GalleryLimits, type GalleryPicture } from '../../nodes/lib/sink/gallery';
import sink from '../../nodes/sink';
import { calls, helper, messagesAt, until, type FlowNode } from '../lib/flow';
import { WebFlow } from '../lib/web-flow';

const DAY = 86_400_000;
const jpeg = (background = '#246', width = 64, height = 48): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();

describe('gallery', () => {
  let folder: string;
  let picture: Buffer;
  before(async () => (picture = await jpeg()));
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'gallery-'))));
  afterEach(() => rm(folder, { recursive: true }));

  /** Clocks that stand still until they are set. */
  const clocks = (wall = Date.parse('2026-11-29T12:00:00Z')): Clocks & { now: { wall: number; steady: number } } => {
    const now = { wall, steady: 1000 };
    return { now, wall: () => now.wall, steady: () => now.steady };
  };
  const LIMITS: GalleryLimits = { days: 7, most: 100, minFree: 0 };
  const open = async (time: Clocks, limits = LIMITS): Promise<Gallery> => {
    const gallery = new Gallery(join(folder, 'house'), limits, assert.fail, time);
    await gallery.load();
    return gallery;
  };
  const files = async (): Promise<string[]> => readdir(join(folder, 'house'));

  it('keeps pictures over a restart, the newest first, under names that nobody guesses', async () => {
    const time = clocks();
    const gallery = await open(time);
    const ids: string[] = [];
    for (let k = 0; k < 3; k++) {
      ids.push(await gallery.add(picture));
      time.now.wall += 1000;
      time.now.steady += 1000;
    }
    assert.ok(ids.every((id) => /^[\w-]{22}$/.test(id)) && new Set(ids).size === 3);
    assert.deepEqual(
      gallery.list.map(({ id }) => id),
      [...ids].reverse(),
    );
    await gallery.close();
    const again = await open(time);
    assert.deepEqual(again.list, gallery.list);
    assert.deepEqual(await again.read(ids[1]), picture);
    assert.equal(await again.read('../../../etc/passwd'), undefined);
    assert.equal(await again.remove(ids[1]), true);
    assert.equal(await again.remove(ids[1]), false);
    assert.equal((await files()).length, 2);
    await again.close();
  });

  it('deletes what is too old, also what became so while nothing ran, and what is too much: the oldest first', async () => {
    const time = clocks();
    const gallery = await open(time, { ...LIMITS, most: 3 });
    const ids: string[] = [];
    for (let k = 0; k < 5; k++) {
      ids.push(await gallery.add(picture));
      time.now.steady += DAY;
      time.now.wall += DAY;
    }
    assert.deepEqual(
      gallery.list.map(({ id }) => id),
      ids.slice(2).reverse(),
    );
    assert.equal((await files()).length, 3);
    await gallery.close();
    time.now.wall += 4.5 * DAY;
    const later = await open(time);
    assert.deepEqual(
      later.list.map(({ id }) => id),
      [ids[4], ids[3]],
      'the others have reached their seven days',
    );
    assert.equal((await files()).length, 2);
    await later.close();
    const small = await open(time, { ...LIMITS, bytes: 1.5 * picture.length });
    assert.deepEqual(
      small.list.map(({ id }) => id),
      [ids[4]],
    );
    await small.close();
  });

  it('tells no picture that is too old, though it is not deleted yet', async () => {
    const time = clocks();
    const gallery = await open(time);
    const id = await gallery.add(picture);
    time.now.steady += 7 * DAY - 1;
    assert.equal(gallery.find(id)?.left, 1);
    time.now.steady += 1;
    assert.equal(gallery.find(id), undefined);
    assert.equal(await gallery.read(id), undefined);
    await gallery.close();
  });

  it('deletes nothing because a clock is set, nor keeps anything for ever', async () => {
    const time = clocks();
    const gallery = await open(time);
    const id = await gallery.add(picture);
    for (const set of [400 * DAY, -800 * DAY, 400 * DAY]) {
      time.now.wall += set;
      assert.equal(gallery.find(id)?.left, 7 * DAY);
    }
    await gallery.close();
    // A machine without a battery begins in the past, and is told the time later.
    time.now.wall -= 10_000 * DAY;
    const early = await open(time);
    assert.equal(early.find(id)?.left, 7 * DAY);
    time.now.wall += 10_000 * DAY;
    time.now.steady += 7 * DAY;
    assert.equal(early.find(id), undefined);
    await early.close();
  });

  it('leaves files alone that are not its own, and clears away what was never finished', async () => {
    await mkdir(join(folder, 'house'));
    for (const name of ['holiday.jpg', '12-short.jpg', `1-${'a'.repeat(22)}.jpg.txt`, `7-${'b'.repeat(22)}.jpg.new`])
      await writeFile(join(folder, 'house', name), picture);
    const gallery = await open(clocks());
    assert.deepEqual(gallery.list, []);
    assert.equal((await files()).length, 3);
    await assert.rejects(gallery.add(Buffer.from('no picture')), { code: 'EBADFRAME' });
    await gallery.close();
  });

  it('adds nothing to a disk that is full', async () => {
    const gallery = await open(clocks(), { ...LIMITS, minFree: 1e18 });
    await assert.rejects(gallery.add(picture), { code: 'EDISK', message: /cannot be added to the gallery: the disk has less than/ });
    assert.deepEqual(await files(), []);
    await gallery.close();
  });
});

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
