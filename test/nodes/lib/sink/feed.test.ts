import assert from 'node:assert/strict';
import sharp from 'sharp';
import { jpegSize } from '../../../../engine/image/jpeg-header';
import { SinkFeed } from '../../../../nodes/lib/sink/feed';
import type { Viewer } from '../../../../nodes/lib/web/viewer';
import { until } from '../../../lib/until';

const file = (format: 'jpeg' | 'png', background = '#f00'): Promise<Buffer> =>
  sharp({ create: { width: 96, height: 64, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
const raw = (): { kind: 'raw'; data: Uint8Array; width: number; height: number; channels: 3 } => ({
  kind: 'raw',
  data: new Uint8Array(96 * 64 * 3).fill(200),
  width: 96,
  height: 64,
  channels: 3,
});

/** A program that reads along, such as a recording: it keeps the size in which it begins. */
class Program implements Viewer {
  readonly seen: Buffer[] = [];
  show({ jpeg }: { jpeg: Buffer }): void {
    this.seen.push(jpeg);
  }
  end(): void {}
}

async function isBlack(jpeg: Buffer): Promise<boolean> {
  const { channels } = await sharp(jpeg).stats();
  return channels.every(({ max }) => max < 16);
}

describe('a sink that is black before its first picture', () => {
  const WAYS: Record<string, (feed: SinkFeed) => void> = {
    'by its hours': (feed) => feed.close('black'),
    'by a black-out': (feed) => feed.blackout(true),
  };
  const opened = (feed: SinkFeed): void => {
    feed.close(undefined);
    feed.blackout(false);
  };
  const KINDS = {
    JPEG: async () => ({ kind: 'encoded' as const, data: await file('jpeg') }),
    PNG: async () => ({ kind: 'encoded' as const, data: await file('png') }),
    pixels: async () => raw(),
  };
  for (const [way, darken] of Object.entries(WAYS)) {
    for (const [kind, make] of Object.entries(KINDS)) {
      it(`${way}: programs get black in the size of the pictures, ${kind}`, async () => {
        const feed = new SinkFeed(assert.fail, () => false);
        const [early, late] = [new Program(), new Program()];
        await feed.add(early);
        darken(feed);
        await feed.add(late);
        assert.equal(await isBlack((await feed.shownJpeg())!), true, 'who asks for one JPEG gets black at once');
        assert.equal(early.seen.length + late.seen.length, 0, 'no size is known yet');
        feed.show(await make());
        await until(() => early.seen.length === 1 && late.seen.length === 1);
        const after = new Program();
        await feed.add(after);
        for (const { seen } of [early, late, after]) {
          assert.deepEqual(seen.length, 1);
          assert.deepEqual({ ...jpegSize(seen[0]) }, { width: 96, height: 64 });
          assert.equal(await isBlack(seen[0]), true);
        }
        opened(feed);
        await until(() => [early, late, after].every(({ seen }) => seen.length === 2));
        assert.equal(await isBlack(early.seen[1]), false);
        feed.end();
      });
    }
  }

  it('opens with the first picture that comes then, without a black one before', async () => {
    const feed = new SinkFeed(assert.fail, () => false);
    const program = new Program();
    await feed.add(program);
    feed.close('black');
    opened(feed);
    feed.show({ kind: 'encoded', data: await file('jpeg') });
    await until(() => program.seen.length > 0);
    assert.equal(await isBlack(program.seen[0]), false);
    feed.end();
  });

  it('says what is wrong with a picture that cannot be read, and takes the size of the next one', async () => {
    const errors: string[] = [];
    const feed = new SinkFeed(
      ({ code }) => errors.push(code),
      () => false,
    );
    const program = new Program();
    feed.close('black');
    await feed.add(program);
    feed.show({ kind: 'encoded', data: (await file('png')).subarray(0, 60) });
    await until(() => errors.length > 0);
    await until(() => {
      feed.show(raw());
      return program.seen.length > 0;
    });
    assert.deepEqual(errors, ['EBADFRAME']);
    assert.deepEqual({ ...jpegSize(program.seen[0]) }, { width: 96, height: 64 });
    assert.equal(await isBlack(program.seen[0]), true);
    feed.end();
  });
});
