import assert from 'node:assert/strict';
import { combine, cosine, dot, mean, norm, rms, squaredDifference } from '../../../engine/util/vectors';

describe('vectors', () => {
  const [a, b] = [Float32Array.of(3, 0, -4), Float32Array.of(1, 2, 2)];

  it('have products, lengths and differences', () => {
    assert.deepEqual([dot(a, b), norm(a), norm(b), squaredDifference(a, b)], [-5, 5, 3, 44]);
    assert.ok(Math.abs(rms(b) - Math.sqrt(3)) < 1e-12 && Math.abs(mean(b) - 5 / 3) < 1e-12);
    assert.deepEqual([...combine([a, b], [2, -1])], [5, -2, -10]);
  });

  it('have an angle, unless one of them is none', () => {
    assert.ok(Math.abs(cosine(a, b) + 1 / 3) < 1e-12);
    assert.equal(cosine(a, a), 1);
    assert.equal(cosine(a, Float32Array.of(0, 0, 0)), 0);
  });

  it('are summed in double precision', () => {
    const many = new Float32Array(1e6).fill(0.1);
    assert.ok(Math.abs(mean(many) - Math.fround(0.1)) < 1e-9);
  });
});
