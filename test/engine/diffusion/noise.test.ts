import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { randn, TorchGenerator } from '../../../engine';
import { REFERENCE } from '../../lib/reference';

interface Draw {
  seed: number;
  shape: number[];
  first: number[];
  last: number[];
  second_call_first: number[];
  mean: number;
  std: number;
}

const { randn: draws } = JSON.parse(readFileSync(join(REFERENCE, 'random-and-filter.json'), 'utf8')) as { randn: Draw[] };

function assertClose(got: Float32Array, expected: number[], what: string): void {
  assert.equal(got.length, expected.length, what);
  expected.forEach((value, k) =>
    assert.ok(Math.abs(got[k] - value) <= 1e-6 * Math.max(1, Math.abs(value)), `${what}[${k}]: ${got[k]} is not ${value}`),
  );
}

describe("noise: torch's CPU generator", () => {
  for (const draw of draws) {
    it(`randn([${draw.shape}]) of seed ${draw.seed} gives torch's numbers, in a second call too`, () => {
      const count = draw.shape.reduce((a, b) => a * b, 1);
      const generator = new TorchGenerator(draw.seed);
      const values = generator.randn(count);
      assertClose(values.slice(0, draw.first.length), draw.first, 'first');
      assertClose(values.slice(-draw.last.length), draw.last, 'last');
      assertClose(generator.randn(count).slice(0, draw.second_call_first.length), draw.second_call_first, 'second call');
      const mean = values.reduce((a, b) => a + b, 0) / count;
      assert.ok(Math.abs(mean - draw.mean) < 1e-6, `mean ${mean} is not ${draw.mean}`);
    });
  }

  it('randn(shape, seed) is the first draw of a fresh generator', () => {
    assert.deepEqual(randn([2, 3, 4], 7), new TorchGenerator(7).randn(24));
  });

  it('the twister repeats its published first outputs', () => {
    // 5489 is the default seed of mt19937; its first output is 3499211612 (Matsumoto and Nishimura; std::mt19937).
    assert.equal(new TorchGenerator(5489).uniform(), (3499211612 & 0xffffff) / 2 ** 24);
  });
});
