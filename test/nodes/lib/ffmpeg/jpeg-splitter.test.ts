import assert from 'node:assert/strict';
import sharp from 'sharp';
import { JpegSplitter } from '../../../../nodes/lib/ffmpeg/jpeg-splitter';

describe('JPEG splitter', () => {
  it('finds the files in a stream, however it is cut, and skips what lies between them', async () => {
    const files = await Promise.all(
      ['#f00', '#0f0', '#00f'].map((background) =>
        sharp({ create: { width: 64, height: 64, channels: 3, background } })
          .jpeg()
          .toBuffer(),
      ),
    );
    // A comment segment with what looks like the end of a file.
    const tricky = Buffer.concat([files[1].subarray(0, 2), Buffer.from([0xff, 0xfe, 0, 6, 0xff, 0xd9, 0xff, 0xd9]), files[1].subarray(2)]);
    const stream = Buffer.concat([Buffer.from('noise'), files[0], tricky, Buffer.from([0xff, 0]), files[2]]);
    for (const size of [1, 7, 100, stream.length]) {
      const splitter = new JpegSplitter();
      const found: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) found.push(...splitter.push(stream.subarray(at, at + size)));
      assert.deepEqual(
        found.map((file) => file.toString('hex')),
        [files[0], tricky, files[2]].map((file) => file.toString('hex')),
        `cut into ${size}`,
      );
    }
  });
});
