import assert from 'node:assert/strict';
import { Engine } from '../../../../engine/engine';
import type { DiffusionStream } from '../../../../engine/stream/diffusion-stream';
import type { PromptSpec } from '../../../../engine/prompt/request';
import { countTargets, MOST_TARGETS, simplify, type Target } from '../../../../engine/prompt/transition';
import { PromptMotion } from '../../../../nodes/lib/prompt/motion';
import type { TransitionSettings } from '../../../../nodes/lib/prompt/transition';

const of = (text: string): Target => ({ prompt: [{ text, weight: 1 }] });
const within = (ms: number, easing: TransitionSettings['easing'] = 'linear'): TransitionSettings => ({
  length: { ms },
  method: 'linear',
  easing,
  pace: 'picture',
});
const [DAY, NIGHT, STORM] = [of('day, desert'), of('night, aurora, snow'), of('storm over the sea')];

describe('prompts on their way', () => {
  it('go from what was sent last to the target, in time, and are then the target alone', () => {
    const motion = new PromptMotion(DAY);
    assert.deepEqual(motion.next(0, true), DAY);
    motion.head(NIGHT, within(1000), 100);
    assert.deepEqual(motion.next(100, true), { ...NIGHT, transition: { from: DAY, position: 0 } });
    assert.deepEqual(motion.next(600, true), { ...NIGHT, transition: { from: DAY, position: 0.5 } });
    assert.equal(motion.moving, true);
    assert.deepEqual(motion.next(1100, true), NIGHT);
    assert.equal(motion.moving, false);
    assert.deepEqual(motion.next(9999, true), NIGHT);
  });

  it('go by frames, each one step, whenever they come', () => {
    const motion = new PromptMotion(DAY);
    motion.head(NIGHT, { length: { frames: 4 }, method: 'slerp', easing: 'linear', pace: 'picture' }, 0);
    const way = (position: number): PromptSpec => ({ ...NIGHT, transition: { from: DAY, position, method: 'slerp' } });
    assert.deepEqual(motion.next(1e6, false), way(0), 'a message without a frame is none');
    assert.deepEqual(
      [1, 2, 3, 4].map((k) => motion.next(k, true)),
      [way(0.25), way(0.5), way(0.75), NIGHT],
    );
  });

  it('set out and arrive slowly', () => {
    const motion = new PromptMotion(DAY);
    motion.head(NIGHT, within(100, 'smooth'), 0);
    const positions = Array.from({ length: 101 }, (_, k) => motion.next(k, true).transition?.position ?? 1);
    const steps = positions.slice(1).map((position, k) => position - positions[k]);
    assert.ok(steps[0] < 0.001 && steps[99] < 0.001 && steps.every((step) => step >= 0));
    assert.ok(Math.max(...steps) <= 1.5 / 100 + 1e-5);
  });

  it('are there when what is sent says so, not once more after that', () => {
    const motion = new PromptMotion(DAY);
    motion.head(NIGHT, within(1000, 'smooth'), 0);
    assert.deepEqual(motion.next(999.9, true), NIGHT);
    assert.equal(motion.moving, false);
  });

  it('go on from the middle to another target', () => {
    const motion = new PromptMotion(DAY);
    motion.head(NIGHT, within(1000), 0);
    const there = motion.next(300, true);
    motion.head(STORM, within(1000), 350);
    assert.deepEqual(motion.next(350, true), { ...STORM, transition: { from: there, position: 0 } });
  });

  it('stay on their way when the target comes again, and leave it when it shall be there at once', () => {
    const motion = new PromptMotion(DAY);
    motion.head(NIGHT, within(1000), 0);
    motion.head(of('night, aurora, snow'), within(1000), 500);
    assert.equal(motion.next(500, true).transition?.position, 0.5);
    motion.head(NIGHT, within(0), 500);
    assert.deepEqual(motion.next(501, true), NIGHT);
  });

  it('set out from what was seen: a target that nobody saw is not on the way', () => {
    const motion = new PromptMotion(DAY);
    for (let k = 0; k < 100; k++) motion.head(of(`number ${k}`), within(1000), k);
    motion.head(NIGHT, within(1000), 100);
    assert.deepEqual(motion.next(600, true), { ...NIGHT, transition: { from: DAY, position: 0.5 } });
  });
});

describe('embeddings on their way', () => {
  let engine: Engine;
  let stream: DiffusionStream;
  before(async () => {
    engine = await Engine.load({ model: 'starter', intraOpNumThreads: 1 });
    stream = await engine.createStream({ mode: 'txt2img', width: 64, height: 64, tIndexList: [20], cfgType: 'none' });
  });
  after(() => engine.close());

  /** Lengths of the steps between embeddings. */
  async function stepsOf(path: PromptSpec[]): Promise<number[]> {
    const embeddings: Float32Array[] = [];
    for (const request of path) embeddings.push((await stream.encodePrompt(request)).positive.hiddenStates);
    return embeddings.slice(1).map((point, k) => Math.sqrt(point.reduce((sum, value, i) => sum + (value - embeddings[k][i]) ** 2, 0)));
  }

  for (const method of ['linear', 'slerp'] as const) {
    for (const easing of ['linear', 'smooth'] as const) {
      it(`never jump: ${method} in a ${easing} transition of 50 frames`, async () => {
        const motion = new PromptMotion(DAY);
        const path = [motion.next(0, true)];
        motion.head(NIGHT, { length: { frames: 50 }, method, easing, pace: 'picture' }, 0);
        for (let k = 0; k < 50; k++) path.push(motion.next(k, true));
        assertEven(await stepsOf(path));
      });
    }
  }

  it('never jump when targets come in the middle of transitions, fast and slow', async () => {
    for (const [every, method] of [
      [1, 'linear'],
      [2, 'linear'],
      [5, 'slerp'],
      [17, 'slerp'],
    ] as const) {
      const motion = new PromptMotion(DAY);
      const path = [motion.next(0, true)];
      const targets = [NIGHT, STORM, DAY, of('pastel castle on a hill'), of('forest in the fog'), of('volcano'), of('spring, field')];
      for (let k = 0; k < 90; k++) {
        if (k % every === 0)
          motion.head(targets[(k / every) % targets.length], { length: { frames: 30 }, method, easing: 'linear', pace: 'picture' }, 0);
        path.push(motion.next(k, true));
        assert.ok(countTargets(path[k + 1]) <= MOST_TARGETS);
      }
      // No two of the texts lie further apart than these do from each other.
      const widest = Math.max(...(await stepsOf([...targets, ...targets.slice(2), DAY, STORM])));
      const steps = await stepsOf(path);
      assert.ok(
        Math.max(...steps) <= (1.5 * widest) / 30,
        `every ${every}: a step of ${Math.max(...steps)}, ${widest / 30} is the longest that is due`,
      );
    }
  });

  it('stay where they are when the least of many targets leaves', async () => {
    let request: PromptSpec = DAY;
    const targets = Array.from({ length: 12 }, (_, k) => of(['night', 'storm', 'snow', 'desert'][k % 4] + (k > 3 ? ', sea' : '')));
    for (const target of targets) request = { ...target, transition: { from: request, position: 0.1 } };
    const [moved] = await stepsOf([request, simplify(request, 8)]);
    const [whole] = await stepsOf([DAY, targets[11]]);
    assert.ok(moved > 0 && moved < 0.2 * whole, `${moved} of ${whole}`);
  });
});

function assertEven(steps: number[]): void {
  const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
  assert.ok(Math.max(...steps) <= 1.5 * mean, `a step of ${Math.max(...steps)}, ${mean} on average`);
}
