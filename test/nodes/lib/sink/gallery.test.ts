import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gallery, type Clocks, type GalleryLimits } from '../../../../nodes/lib/sink/gallery';
import { coloured } from '../../../lib/colours';

const DAY = 86_400_000;

describe('gallery', () => {
  let folder: string;
  let picture: Buffer;
  before(async () => (picture = await coloured('#246').jpeg().toBuffer()));
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
