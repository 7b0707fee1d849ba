import assert from 'node:assert/strict';
import { stableText } from '../../../engine/util/stable-text';

describe('a stable text', () => {
  it('is the same for equal values, whatever the order of their entries, and another one for others', () => {
    assert.equal(
      stableText({ b: { d: [1, { y: 1, x: 2 }], c: undefined }, a: 'x' }),
      stableText({ a: 'x', b: { d: [1, { x: 2, y: 1 }] } }),
    );
    const different = [{}, [], { a: 1 }, { a: '1' }, { a: [1] }, { a: [1, 2] }, { a: [2, 1] }, { a: { b: 1 } }, { b: 1 }, null];
    assert.equal(new Set(different.map(stableText)).size, different.length);
  });
});
