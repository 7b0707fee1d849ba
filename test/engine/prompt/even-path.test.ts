import assert from 'node:assert/strict';
import { EvenPath } from '../../../engine/prompt/even-path';

/** A picture whose change piles up around a place: its one number rises like a step there. */
const turningAt =
  (place: number, sharpness: number) =>
  (position: number): Float32Array =>
    Float32Array.of(Math.tanh((position - place) * sharpness));
const still = (): Float32Array => Float32Array.of(1, 2);

/** Goes the whole way in equal steps of time; `looks` of those that are wanted are there after each. */
function go(
  picture: (position: number) => Float32Array,
  steps: number,
  looks = Infinity,
): { path: EvenPath; positions: number[]; looked: number } {
  const path = new EvenPath();
  const positions: number[] = [];
  let looked = 0;
  for (let k = 0; k <= steps; k++) {
    positions.push(path.at(k / steps));
    for (let n = 0; n < looks; n++) {
      const position = path.next();
      if (position === undefined) break;
      looked++;
      path.add(position, [picture(position)]);
    }
  }
  return { path, positions, looked };
}

const stepsOf = (values: number[]): number[] => values.slice(1).map((value, k) => value - values[k]);
function unevenness(steps: number[]): number {
  return Math.max(...steps.map(Math.abs)) / (steps.reduce((sum, step) => sum + Math.abs(step), 0) / steps.length);
}

describe('the pace of a transition', () => {
  it('is that of the clock until pictures are known, and where they change evenly', () => {
    const path = new EvenPath();
    for (const time of [0, 0.3, 0.31, 1]) assert.equal(path.at(time), time);
    const { positions } = go((position) => Float32Array.of(position), 50);
    for (const [k, position] of positions.entries()) assert.ok(Math.abs(position - k / 50) < 1e-9);
    for (const [k, position] of go(still, 50).positions.entries()) assert.ok(Math.abs(position - k / 50) < 1e-9, 'nothing to see');
  });

  it('evens out a turn, wherever it is, and keeps the embeddings even enough', () => {
    for (const [place, sharpness] of [
      [0.5, 4],
      [0.35, 4],
      [0.65, 4],
    ] as const) {
      const picture = turningAt(place, sharpness);
      const pictures = (positions: number[]): number => unevenness(stepsOf(positions.map((position) => picture(position)[0])));
      assert.ok(pictures(go(still, 50).positions) > 1.9);
      const { positions } = go(picture, 50, 2);
      assert.ok(pictures(positions) < 1.5, `turning at ${place}: ${pictures(positions)}`);
      assert.ok(unevenness(stepsOf(positions)) < 1.6, `turning at ${place}: embeddings ${unevenness(stepsOf(positions))}`);
    }
  });

  it('arrives in time, never turns back and never jumps when more becomes known', () => {
    for (const looks of [0.5, 1, 2, 5]) {
      const { positions } = go(turningAt(0.6, 15), 60, looks);
      assert.deepEqual([positions[0], positions[60]], [0, 1]);
      assert.ok(Math.min(...stepsOf(positions)) > 0);
      assert.ok(Math.max(...stepsOf(positions)) < 2 / 60, `${looks}: ${Math.max(...stepsOf(positions))}`);
    }
  });

  it('says the same of a time that comes again, and less of an earlier one', () => {
    const { path } = go(turningAt(0.4, 10), 20);
    const there = path.at(0.6);
    assert.ok(path.at(0.2) < there);
    assert.equal(path.at(0.6), there);
    assert.equal(path.at(2), 1);
    assert.equal(path.at(-1), 0);
  });

  it('looks where the pictures turn, only ahead, and not without end', () => {
    const { path, looked } = go(turningAt(0.5, 30), 100, 1);
    assert.ok(looked <= 21, `${looked}`);
    assert.equal(path.next(), undefined);
    const asked: number[] = [];
    const late = new EvenPath();
    for (let next = late.next(); next !== undefined; next = late.next()) {
      asked.push(next);
      late.add(next, [turningAt(0.2, 20)(next)]);
      if (asked.length === 9) late.at(0.9);
    }
    assert.ok(
      asked.slice(9).every((position) => position > 0.75),
      `${asked}`,
    );
  });

  it('gives out stretches between looks, which stay as they are', () => {
    const path = new EvenPath();
    const picture = turningAt(0.5, 20);
    assert.deepEqual(path.stretch(0.0625), { from: 0, to: 0.125, part: 0.5 }, 'before anything is known');
    assert.equal(path.stretch(0.3), undefined);
    for (const position of [0, 1, 0.5, 0.25, 0.75]) path.add(position, [picture(position)]);
    const { part, ...rest } = path.stretch(0.3)!;
    assert.ok(Math.abs(part - 0.2) < 1e-9);
    assert.deepEqual(rest, { from: 0.25, to: 0.5, ends: [[picture(0.25)], [picture(0.5)]] });
    path.add(0.375, [picture(0.375)]);
    assert.equal(path.stretch(0.45)!.from, 0.25, 'a look into it comes too late');
    path.add(0.625, [picture(0.625)]);
    assert.deepEqual(path.stretch(0.6)!.ends, [[picture(0.5)], [picture(0.625)]], 'ahead they become finer');
  });

  it("is even for pictures that are mixed of a stretch's ends, however sharply they turn", () => {
    for (const sharpness of [15, 60, 1000]) {
      const picture = turningAt(0.4, sharpness);
      const path = new EvenPath();
      const shown: number[] = [];
      for (let k = 0; k <= 100; k++) {
        const position = path.at(k / 100);
        const { part, ends } = (position > 0 && path.stretch(position)) || {};
        shown.push(ends ? ends[0][0][0] + part! * (ends[1][0][0] - ends[0][0][0]) : picture(position)[0]);
        for (let n = 0; n < 2; n++) {
          const next = path.next();
          if (next !== undefined) path.add(next, [picture(next)]);
        }
      }
      const largest = Math.max(...stepsOf(shown).map(Math.abs));
      assert.ok(largest < 0.05, `${sharpness}: of a way of 2, ${largest} in one of 100 steps`);
    }
  });
});
