import assert from 'node:assert/strict';
import { readAdapters } from '../../../../nodes/lib/engine/adapter-fields';

describe('the adapters in the dialog of an engine', () => {
  it('are names and paths, as a list or as an object; empty rows count as none', () => {
    const list = [
      { name: ' edges ', path: '/models/canny ' },
      { name: '', path: '' },
      { name: 'style', path: '/models/style.safetensors' },
    ];
    const expected = { edges: '/models/canny', style: '/models/style.safetensors' };
    assert.deepEqual(readAdapters(list), expected);
    assert.deepEqual(readAdapters(expected), expected);
    for (const none of [undefined, null, '', [], {}, [{}]]) assert.equal(readAdapters(none), undefined);
  });

  it('are refused where a row is half empty, doubled or no row', () => {
    const wrong: [unknown, RegExp][] = [
      [[{ name: 'edges' }], /a name and a path.*edges/],
      [[{ path: '/models/canny' }], /a name and a path/],
      [
        [
          { name: 'a', path: 'x' },
          { name: 'a', path: 'y' },
        ],
        /two adapters.*"a"/,
      ],
      [[{ name: 5, path: 'x' }], /both texts/],
      [['edges'], /a name and a path/],
      [[null], /both texts/],
      [{ edges: 5 }, /both texts/],
      ['/models/canny', /list of \{ name, path \}/],
    ];
    for (const [value, message] of wrong) assert.throws(() => readAdapters(value), { code: 'EBADPARAM', message });
  });
});
