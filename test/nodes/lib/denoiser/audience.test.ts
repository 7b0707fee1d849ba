import assert from 'node:assert/strict';
import { LOOKED_AT } from '../../../../nodes/lib/common/looked-at';
import { isWanted, type Passage } from '../../../../nodes/lib/denoiser/audience';

const node = (type: string, wires: string[][] = [[]]): Passage => ({ type, wires });
const sink = (isLookedAt: boolean, wires?: string[][]): Passage => {
  const passage = node('streamdiffusion-sink', wires);
  LOOKED_AT.lend(passage, { isLookedAt });
  return passage;
};

describe('whether pictures are wanted', () => {
  const asked = (ids: string[], nodes: Record<string, Passage | null>): boolean => isWanted(ids, (id) => nodes[id]);

  it('by nobody where no wire leads, or to a node that is disabled', () => {
    assert.equal(asked([], {}), false);
    assert.equal(asked(['gone', 'off'], { off: null }), false);
  });

  it('by a sink while somebody looks at it', () => {
    assert.equal(asked(['a', 'b'], { a: sink(false), b: sink(false) }), false);
    assert.equal(asked(['a', 'b'], { a: sink(false), b: sink(true) }), true);
  });

  it('by what stands behind a sink or a junction', () => {
    assert.equal(asked(['a'], { a: sink(false, [['b']]), b: sink(false) }), false);
    assert.equal(asked(['a'], { a: sink(false, [['b']]), b: sink(true) }), true);
    assert.equal(asked(['a'], { a: sink(false, [['debug']]), debug: node('debug') }), true);
    assert.equal(asked(['j'], { j: node('junction', [['a']]), a: sink(false) }), false);
    assert.equal(asked(['j'], { j: node('junction', [['a', 'b']]), a: sink(false), b: sink(true) }), true);
  });

  it('by every other node, whatever stands behind it', () => {
    for (const type of ['debug', 'link out', 'function', 'streamdiffusion-filter', 'subflow:1'])
      assert.equal(asked(['x'], { x: node(type, [['a']]), a: sink(false) }), true, type);
  });

  it('by a sink that does not tell who looks', () => {
    assert.equal(asked(['a'], { a: node('streamdiffusion-sink') }), true);
  });

  it('comes to an end where wires run in a circle', () => {
    assert.equal(asked(['a'], { a: sink(false, [['j']]), j: node('junction', [['a']]) }), false);
  });
});
