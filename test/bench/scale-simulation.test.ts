import assert from 'node:assert/strict';
import { fitTimes, type Installation, instancesFor, simulate } from '../../bench/scale-simulation';

const ONE: Installation = {
  flows: 1,
  offeredFps: Infinity,
  rows: 2,
  net: { fixedMs: 4, perRowMs: 3 },
  maxBatch: 16,
  instances: 1,
  roundTripMs: 2,
  beforeMs: 5,
  afterMs: 7,
};
const near = (value: number, expected: number, share = 0.02): void =>
  assert.ok(Math.abs(value / expected - 1) < share, `${value}, not ${expected}`);

describe('the simulation of flows on servers', () => {
  it('a flow alone waits for its runs and the way there and back', () => {
    const { fps, latencyMs, batch, busy } = simulate(ONE);
    near(fps, 1000 / 12);
    near(latencyMs, 5 + 7 + 2 * 12);
    assert.equal(batch, 2);
    near(busy, 10 / 12);
  });

  it('many flows share runs up to the largest batch, and no more come out than are computed', () => {
    const { fps, batch, busy } = simulate({ ...ONE, flows: 40 });
    near(batch, 16);
    near(busy, 1);
    near(40 * fps, 8 * (1000 / (4 + 16 * 3)));
  });

  it('more copies help until there is one for every flow', () => {
    const fps = [1, 2, 4, 8, 16].map((instances) => simulate({ ...ONE, flows: 8, maxBatch: 2, instances }).fps);
    for (let k = 1; k < 4; k++) assert.ok(fps[k] > fps[k - 1], fps.join());
    near(fps[4], fps[3]);
    near(fps[3], 1000 / 12);
  });

  it('nothing is faster than what is offered', () => {
    near(simulate({ ...ONE, offeredFps: 25 }).fps, 25);
    assert.ok(simulate({ ...ONE, offeredFps: 25 }).busy < 0.3);
  });

  it('finds the fewest copies that are enough', () => {
    const needed = instancesFor({ ...ONE, flows: 100, offeredFps: 25 });
    assert.ok(simulate({ ...ONE, flows: 100, offeredFps: 25, instances: needed }, 5).fps >= 0.95 * 25);
    assert.ok(simulate({ ...ONE, flows: 100, offeredFps: 25, instances: needed - 1 }, 5).fps < 0.95 * 25);
  });

  it('takes its times from measured runs', () => {
    const { fixedMs, perRowMs } = fitTimes([1, 2, 4, 8].map((rows) => ({ rows, ms: 4 + 3 * rows })));
    near(fixedMs, 4);
    near(perRowMs, 3);
  });
});
