import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { CodecPool } from '../../../engine/image/codec-pool';
import { toPicture, type Picture } from '../../../engine/image/picture';
import { hugePng } from '../../lib/huge-png';
import { withoutCodec } from '../../lib/no-codec';
import { jpegs } from '../../lib/pictures';
import { manyScans } from '../../lib/slow-pictures';
import { PATIENCE, until } from '../../lib/until';
import { isAlive } from '../../lib/processes';

/** Longer than a picture can take on a machine that is busy with something else, ms. */
const LONG = 3 * PATIENCE;

/** Past the door, as another format could be that takes as long: minutes in its decoder. */
const slow = (): Picture => ({ kind: 'encoded', data: manyScans(8000, 8000, 20_000) });

describe('the codec in processes of its own', () => {
  let pool: CodecPool;
  afterEach(() => pool.close());

  it('decodes, encodes, draws and makes thumbnails as the codec does', async () => {
    pool = new CodecPool();
    const [picture] = await jpegs(1);
    const { data, width, height } = await pool.decode(picture, 32, 16);
    assert.deepEqual([data.length, width, height], [32 * 16 * 3, 32, 16]);
    const expected = await sharp(picture.data).resize(32, 16, { fit: 'cover' }).raw().toBuffer();
    assert.deepEqual(Buffer.from(data), expected);
    const { format, width: side } = await sharp(
      await pool.toJpeg(picture, { quality: 80, size: { width: 20, height: 40, fit: 'inside' } }),
    ).metadata();
    assert.deepEqual([format, side], ['jpeg', 20]);
    assert.equal(
      (await sharp(await pool.drawSvg('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="7"/>', 80)).metadata()).height,
      7,
    );
    assert.equal((await pool.thumbnail(picture)).length, 32 * 32 * 3);
    assert.equal(pool.pids.length, 1);
    await assert.rejects(pool.thumbnail({ kind: 'encoded', data: picture.data.subarray(0, 300) }), {
      code: 'EBADFRAME',
      message: /cannot be decoded/,
    });
  });

  it('gives a picture up that takes too long, ends its process, and goes on with others meanwhile', async () => {
    // By the time of a processor, which a busy machine gives it little of.
    pool = new CodecPool({ slowIfHeavy: 300, deadline: 1500, clock: LONG });
    const [good] = await jpegs(1);
    await pool.thumbnail(good);
    const stuck = pool.thumbnail(slow()).then(
      () => 'done',
      (error: Error & { code: string }) => error,
    );
    let others = 0;
    let last: unknown;
    void stuck.then((outcome) => (last = outcome));
    for (const end = performance.now() + LONG; last === undefined && performance.now() < end; others++) await pool.thumbnail(good);
    const { code, message } = last as { code: string; message: string };
    // It is looked at now and then, and more seldom on a busy machine.
    const effort = Number(/given up: .* (\d+\.\d) s of processor time/.exec(message)?.[1]);
    assert.deepEqual([code, effort >= 1.5 && effort < 10], ['EBADFRAME', true], message);
    assert.ok(others > 10, `${others} others`);
    await until(
      () => pool.pids.every(isAlive) && pool.pids.length <= 2,
      PATIENCE,
      () => String(pool.pids),
    );
  }).timeout(LONG + 2 * PATIENCE);

  it('charges no picture with what others before it took, however many came', async () => {
    pool = new CodecPool({ slow: 700, deadline: 700, clock: LONG });
    const [good] = await jpegs(1);
    // A few at a time, with pauses: most looks at the processor's time find nothing under way.
    for (let round = 0, end = performance.now() + 4000; performance.now() < end; round++) {
      await Promise.all(Array.from({ length: 4 }, () => pool.decode(good, 1024, 1024)));
      await new Promise((resolve) => setTimeout(resolve, 20 + (round % 7)));
    }
    assert.equal(pool.pids.length, 1);
  });

  it('gives up the slowest when all places are slow and somebody waits', async () => {
    pool = new CodecPool({ slowIfHeavy: 300, deadline: 60_000, clock: 90_000 });
    const outcomes: string[] = [];
    for (let k = 0; k < 2; k++) void pool.thumbnail(slow()).catch(({ code }: { code: string }) => outcomes.push(code));
    const large = toPicture(hugePng(4000, 4000));
    assert.equal((await pool.thumbnail(large)).length, 3072);
    assert.deepEqual(outcomes, ['EBADFRAME']);
  });

  it('has pictures that are more work wait for each other, at the end of the queue for the processor, and others not for them', async () => {
    pool = new CodecPool();
    const [good] = await jpegs(1);
    await pool.thumbnail(good);
    const finished: string[] = [];
    const note = (what: string) => () => void finished.push(what);
    const large = Array.from({ length: 6 }, () => pool.thumbnail(toPicture(hugePng(8000, 8000))).then(note('large')));
    const small = Array.from({ length: 6 }, () => pool.thumbnail(good).then(note('small')));
    await Promise.all([...large, ...small]);
    const before = finished.slice(0, finished.lastIndexOf('small')).filter((what) => what === 'large').length;
    // Each large one takes half a second for itself, and a busy machine may begin with it. In their order all six came first.
    assert.ok(before <= 3, `${finished}`);
    assert.ok(pool.pids.length <= 4);
  });

  it('does again what was under way in a process that died', async () => {
    pool = new CodecPool();
    const [good] = await jpegs(1);
    await pool.thumbnail(good);
    const many = Array.from({ length: 12 }, () => pool.thumbnail(good));
    for (const pid of pool.pids) process.kill(pid, 'SIGKILL');
    assert.equal((await Promise.all(many)).length, 12);
  });

  it('ends its processes when there is nothing to do', async () => {
    pool = new CodecPool({ idle: 200 });
    const [good] = await jpegs(1);
    await pool.thumbnail(good);
    const { pids } = pool;
    await until(() => !pids.some(isAlive));
    await pool.thumbnail(good);
    assert.notDeepEqual(pool.pids, pids);
  });

  it('says that the codec is missing, with its advice, and finds it when it is there again', async () => {
    pool = new CodecPool({ retry: 300 });
    const [good] = await jpegs(1);
    await withoutCodec(async (bringBack) => {
      for (let k = 0; k < 3; k++)
        await assert.rejects(pool.thumbnail(good), { code: 'ENOCODEC', message: /native part of sharp is missing.*npm install/ });
      assert.equal(pool.fault?.code, 'ENOCODEC');
      await bringBack();
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.equal((await pool.thumbnail(good)).length, 3072);
      assert.equal(pool.fault, undefined);
    });
  });

  it('changes nothing for other packages of this process: formats, cache and threads stay as they were', async () => {
    pool = new CodecPool();
    const settings = (): unknown => [sharp.cache().memory.max, sharp.cache().items.max, sharp.concurrency()];
    const before = settings();
    const [good] = await jpegs(1);
    await pool.thumbnail(good);
    assert.deepEqual(settings(), before);
    // A format that somebody has switched off stays so.
    const gif = await sharp(good.data).gif().toBuffer();
    sharp.block({ operation: ['VipsForeignLoadNsgif'] });
    await pool.thumbnail(toPicture(gif));
    await assert.rejects(sharp(gif).metadata());
    sharp.unblock({ operation: ['VipsForeignLoadNsgif'] });
  });

  it('is a lower priority than the flow', async () => {
    pool = new CodecPool();
    const [good] = await jpegs(1);
    await pool.thumbnail(good);
    if (process.platform !== 'linux') return;
    const stat = await readFile(`/proc/${pool.pids[0]}/stat`, 'utf8');
    assert.ok(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]) >= 5);
  });
});
