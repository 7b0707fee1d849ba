import assert from 'node:assert/strict';
import { readPictures } from '../../../../nodes/lib/common/pictures';
import { jpegs } from '../../../lib/pictures';

describe('further pictures of a message', () => {
  it('have every form that a frame may have, and names without a picture are left out', async () => {
    const [{ data }] = await jpegs(1);
    const raw = { data: Buffer.alloc(12), width: 2, height: 2, channels: 3 };
    const read = readPictures({
      edges: Buffer.from(data),
      'a b': raw,
      text: Buffer.from(data).toString('base64'),
      none: null,
      other: undefined,
    });
    assert.deepEqual(Object.keys(read), ['edges', 'a b', 'text']);
    assert.deepEqual([read.edges.kind, read['a b'].kind, read.text.kind], ['encoded', 'raw', 'encoded']);
    assert.deepEqual(readPictures({}), {});
  });

  it('are refused by name where one is none', () => {
    const wrong: [unknown, RegExp][] = [
      [{ depth: 5 }, /msg\.pictures\["depth"\].*5/],
      [{ depth: '/etc/passwd' }, /depth.*never a path/],
      [Buffer.alloc(3), /by name/],
      [[], /by name/],
      ['edges', /by name.*edges/],
      [null, /by name.*null/],
      [Object.fromEntries(Array.from({ length: 33 }, (_, k) => [k, 1])), /32 pictures, not 33/],
    ];
    for (const [pictures, message] of wrong) assert.throws(() => readPictures(pictures), { code: 'EBADFRAME', message });
  });
});
