import assert from 'node:assert/strict';
import { EvenPath } from '../../../engine/stream/even-path';

/** A picture whose change piles up around a place: its one number rises like a step there. */
const turningAt = (place: number, sharpness: number) => (position: number): Float32Array => Float32Array.of(Math.tanh((position - place) * sharpness));
const still = (): Float32Array => Float32Array.of(1, 2);

/** Goes the whole way in equal steps of time; `looks` of those that are wanted are there after each. */
function go(picture: (position: number) => Float32Array, steps: number, looks = Infinity): { path: EvenPath; positions: number[]; looked: number } {
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
    for (const [place, sharpness] of [[0.5, 4], [0.35, 4], [0.65, 4]] as const) {
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
    assert.ok(asked.slice(9).every((position) => position > 0.75), `${asked}`);
  });
});
