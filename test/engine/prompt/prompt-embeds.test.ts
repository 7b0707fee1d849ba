import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { between, blend, type PromptEmbeds } from '../../../engine/prompt/prompt-embeds';
import { BLEND_METHODS, type BlendMethod } from '../../../engine/prompt/request';
import { randn } from '../../../engine/diffusion/noise';
import { relativeError, ROOT } from '../../lib/reference';

const of = (...values: number[]): PromptEmbeds => ({
  hiddenStates: Float32Array.from(values),
  tokens: values.length / 2,
  width: 2,
});

describe('blending conditionings', () => {
  const [a, b] = [of(0, 4, 8, 0), of(4, 0, 0, 8)];

  it('is linear, with normalised weights', () => {
    const blended = blend([
      { conditioning: a, weight: 3 },
      { conditioning: b, weight: 1 },
    ]);
    assert.deepEqual(blended, of(1, 3, 6, 2));
    assert.deepEqual(
      blend([
        { conditioning: a, weight: 0.3 },
        { conditioning: b, weight: 0.1 },
      ]).hiddenStates.map((x) => Math.round(x * 1e5) / 1e5),
      blended.hiddenStates,
    );
  });

  it('lets a negative weight push away', () => {
    assert.deepEqual(
      blend([
        { conditioning: a, weight: 2 },
        { conditioning: b, weight: -1 },
      ]),
      of(-4, 8, 16, -8),
    );
  });

  it('counts weights without a positive sum as equal', () => {
    for (const [first, second] of [
      [0, 0],
      [1, -1],
      [-1, -3],
      [1e300, -1e300],
    ]) {
      assert.deepEqual(
        blend([
          { conditioning: a, weight: first },
          { conditioning: b, weight: second },
        ]),
        of(2, 2, 4, 4),
      );
    }
  });

  it('gives one part back as it is, whatever its weight', () => {
    assert.equal(blend([{ conditioning: a, weight: 0 }]), a);
  });

  it('changes no part', () => {
    blend([
      { conditioning: a, weight: 1 },
      { conditioning: b, weight: 1 },
    ]);
    assert.deepEqual([a, b], [of(0, 4, 8, 0), of(4, 0, 0, 8)]);
  });

  it('refuses parts of different shapes, and none', () => {
    assert.throws(
      () =>
        blend([
          { conditioning: a, weight: 1 },
          { conditioning: of(1, 2), weight: 1 },
        ]),
      /\[2, 2\] and \[1, 2\]/,
    );
    assert.throws(() => blend([]), RangeError);
  });
});

describe('blends as another program computes them', () => {
  const recorded = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/blend/blends.json'), 'utf8')) as {
    tokens: number;
    width: number;
    embeddings: number[][];
    cases: { weights: number[]; method: BlendMethod; blend: number[] }[];
  };
  const { tokens, width } = recorded;
  const embeddings = recorded.embeddings.map((values): PromptEmbeds => ({ hiddenStates: Float32Array.from(values), tokens, width }));
  const partsOf = (weights: number[]) => weights.map((weight, k) => ({ conditioning: embeddings[k], weight }));

  for (const { weights, method, blend: expected } of recorded.cases) {
    it(`${method} of weights ${weights.join(', ')}`, () => {
      const { hiddenStates } = blend(partsOf(weights), method);
      assert.ok(relativeError(hiddenStates, Float32Array.from(expected)) < 1e-5);
    });
  }

  it('depends on no order, also on the sphere', () => {
    for (const method of BLEND_METHODS) {
      const one = blend(partsOf([3, 1, 2]), method).hiddenStates;
      const other = blend(
        [1, 2, 0].map((k) => partsOf([3, 1, 2])[k]),
        method,
      ).hiddenStates;
      assert.ok(relativeError(other, one) < 1e-6, method);
    }
  });

  it('moves smoothly with the weights of three prompts, also where one overtakes another', () => {
    for (const method of BLEND_METHODS) {
      const path = Array.from({ length: 201 }, (_, k) => blend(partsOf([k / 200, 1 - k / 200, 0.5]), method).hiddenStates);
      const steps = path.slice(1).map((point, k) => distance(point, path[k]));
      const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
      assert.ok(Math.max(...steps) < 2 * mean, `${method}: a step of ${Math.max(...steps)}, ${mean} on average`);
    }
  });

  it('blends the embeddings of the whole prompt in the same way', () => {
    const pooled = embeddings.map((each) => ({ ...each, pooled: each.hiddenStates.slice(width, 2 * width) }));
    for (const method of ['linear', 'slerp'] as const) {
      const blended = blend(
        [0.3, 0.7].map((weight, k) => ({ conditioning: pooled[k], weight })),
        method,
      );
      assert.ok(relativeError(blended.pooled ?? [], blended.hiddenStates.slice(width, 2 * width)) < 1e-6, method);
    }
  });

  it('are finite for all weights there are, and an error for what is not a number', () => {
    const random = randn([3 * 4000], 11);
    const kinds = [
      (x: number) => x,
      () => 0,
      (x: number) => x * 1e300,
      (x: number) => x * 1e-300,
      (x: number) => Math.sign(x),
      (x: number) => -Math.abs(x),
    ];
    // Embeddings that are hard on a sphere: one without a direction, one that points away from another.
    const hard = [
      embeddings[0],
      { ...embeddings[0], hiddenStates: embeddings[0].hiddenStates.map((x) => -x) },
      { ...embeddings[1], hiddenStates: new Float32Array(tokens * width) },
    ];
    for (let k = 0; k + 3 <= random.length; k += 3) {
      const weights = [...random.subarray(k, k + 3)].map((x, i) => kinds[(k + i * 7 + Math.floor(k / 18)) % kinds.length](x));
      const conditionings = k % 2 === 0 ? embeddings : hard;
      const parts = weights.slice(0, 1 + (k % 3)).map((weight, i) => ({ conditioning: conditionings[i], weight }));
      const method = BLEND_METHODS[Math.floor(k / 3) % 3];
      assert.ok(blend(parts, method).hiddenStates.every(Number.isFinite), `${method} ${weights}`);
    }
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const method of BLEND_METHODS) assert.throws(() => blend(partsOf([1, bad]), method), { code: 'EBADPROMPT' });
    }
  });

  it('takes weights as proportions, up to the largest and down to the smallest numbers there are', () => {
    const expected = blend(partsOf([1, 1, 1])).hiddenStates;
    for (const weight of [1e308, Number.MAX_VALUE, 1e-320, Number.MIN_VALUE]) {
      assert.ok(relativeError(blend(partsOf([weight, weight, weight])).hiddenStates, expected) < 1e-6, `${weight}`);
    }
  });

  it('makes a way between two conditionings with even steps, from the one itself to the other itself', () => {
    const [from, to] = embeddings;
    for (const method of ['linear', 'slerp'] as const) {
      const path = Array.from({ length: 51 }, (_, k) => between(from, to, k / 50, method).hiddenStates);
      assert.equal(path[0], from.hiddenStates);
      assert.equal(path[50], to.hiddenStates);
      const steps = path.slice(1).map((point, k) => distance(point, path[k]));
      const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
      assert.ok(Math.max(...steps) < 1.5 * mean, `${method}: a step of ${Math.max(...steps)}, ${mean} on average`);
    }
  });
});

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0));
}

describe('blending pictures of prompts', () => {
  const words: PromptEmbeds = { hiddenStates: Float32Array.of(1, 0), tokens: 1, width: 2 };
  const shown = (...tokens: number[]): PromptEmbeds => ({
    ...words,
    images: { look: { tokens: Float32Array.from(tokens), count: tokens.length / 2, width: 2 } },
  });
  const [east, north] = [shown(2, 0), shown(0, 4)];

  it('goes from words alone to a picture by how much of it there is, and arrives', () => {
    for (const [from, to, presence] of [
      [words, east, 0.25],
      [east, words, 0.75],
    ] as const) {
      const { look } = between(from, to, 0.25).images ?? {};
      assert.deepEqual(look.tokens, east.images?.look.tokens);
      assert.ok(Math.abs((look.presence ?? 1) - presence) < 1e-9);
      assert.equal(between(from, to, 0).images, from.images);
      assert.equal(between(from, to, 1).images, to.images);
    }
  });

  it('goes from one picture to another, straight or along the sphere, at full presence', () => {
    const straight = between(east, north, 0.5).images?.look;
    assert.deepEqual(straight?.tokens, Float32Array.of(1, 2));
    assert.ok(Math.abs((straight?.presence ?? 1) - 1) < 1e-9);
    const [x, y] = between(east, north, 0.5, 'slerp').images?.look.tokens ?? [];
    assert.ok(Math.abs(x - y) < 1e-6 && Math.abs(Math.hypot(x, y) - 3) < 1e-6, `${x} ${y}`);
  });

  it('counts a picture in as far as it is there, also where it is on its way', () => {
    const half = between(words, east, 0.5);
    const { look } = between(half, north, 0.5).images ?? {};
    assert.ok(Math.abs((look.presence ?? 1) - 0.75) < 1e-9);
    // A third of what is there is the picture that was on its way.
    assert.ok(relativeError(look.tokens, Float32Array.of(2 / 3, 8 / 3)) < 1e-6);
    for (const method of BLEND_METHODS) {
      const mixed = blend(
        [
          { conditioning: east, weight: 1 },
          { conditioning: words, weight: 3 },
        ],
        method,
      );
      assert.ok(Math.abs((mixed.images?.look.presence ?? 1) - 0.25) < 1e-6, method);
    }
    assert.equal(
      blend([
        { conditioning: words, weight: 1 },
        { conditioning: words, weight: 1 },
      ]).images,
      undefined,
    );
  });
});
