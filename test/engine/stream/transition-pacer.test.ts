import assert from 'node:assert/strict';
import { denoisingSteps } from '../../../engine/diffusion/schedule';
import type { DenoiseConfig } from '../../../engine/diffusion/step-plan';
import type { Evaluation } from '../../../engine/diffusion/stream-batch';
import type { PromptEmbeds } from '../../../engine/prompt/prompt-embeds';
import { TransitionPath } from '../../../engine/prompt/transition-path';
import { type PacedEntry, TransitionPacer } from '../../../engine/stream/transition-pacer';
import { STABLE_DIFFUSION } from '../../lib/reference';

const steps = denoisingSteps(STABLE_DIFFUSION, 50, [0, 20, 40]);
const denoising: DenoiseConfig = { steps, predictionType: 'sample', doAddNoise: true, cfgType: 'full', guidanceScale: 1.5, delta: 0.8 };
const noise = steps.map((_, step) => Float32Array.from({ length: 8 }, (_, k) => Math.sin(step * 5 + k * 2.3)));
const latent = Float32Array.from({ length: 8 }, (_, k) => Math.cos(k * 1.7));
const entry = { latent, shape: { height: 2, width: 4 }, noise, denoising };

const conditioning = (value: number): PromptEmbeds => ({ hiddenStates: Float32Array.of(value), tokens: 1, width: 1 });
const pair = (positive: number, negative: number) => ({ positive: conditioning(positive), negative: conditioning(negative) });
const [one, other] = [pair(1, -1), pair(4, 0)];

/** A stand-in for the UNet that is only arithmetic. */
function predict({ sample, conditioning: { hiddenStates } }: Evaluation<PromptEmbeds>): Float32Array {
  return sample.map((x, k) => 0.3 * Math.tanh(x) + 0.05 * hiddenStates[0] + 0.01 * k);
}

function tick(pacer: TransitionPacer<string>): { frame: string; latent: Float32Array }[] {
  return pacer.advance(pacer.evaluations().map(predict));
}

/** Lets the frames enter one a tick, and gives them as they leave. */
function through(entries: Omit<PacedEntry<string>, 'frame'>[], between?: (pacer: TransitionPacer<string>) => void): Float32Array[] {
  const pacer = new TransitionPacer<string>(() => undefined);
  const done: Float32Array[] = [];
  for (let k = 0; k < entries.length + steps.length; k++) {
    if (entries[k]) pacer.enter({ frame: String(k), ...entries[k] });
    for (const { frame, latent: finished } of tick(pacer)) {
      assert.equal(frame, String(done.length));
      done.push(finished);
    }
    between?.(pacer);
  }
  assert.equal(pacer.inFlight, 0);
  return done;
}

describe('transition pacer', () => {
  it('a dissolve is a mixture of what the frame becomes under either conditioning alone', () => {
    const [a, b] = [through([{ ...entry, conditioning: one }])[0], through([{ ...entry, conditioning: other }])[0]];
    const [mixed] = through([{ ...entry, conditioning: one, dissolve: { conditioning: other, part: 0.3 } }]);
    mixed.forEach((value, k) => assert.ok(Math.abs(value - (0.7 * a[k] + 0.3 * b[k])) < 1e-6));
  });

  it('a dissolve counts as one frame, and ends where a newer conditioning holds for the frames in flight', () => {
    const dissolve = { conditioning: other, part: 0.3 };
    const follow = (pacer: TransitionPacer<string>): void => pacer.setConditioning(one);
    assert.deepEqual(through([{ ...entry, conditioning: one, dissolve }], follow), through([{ ...entry, conditioning: one }], follow));
    const pacer = new TransitionPacer<string>(() => undefined);
    pacer.enter({ ...entry, frame: 'f', conditioning: one, dissolve });
    assert.equal(pacer.inFlight, 1);
    assert.equal(pacer.evaluations().length, 4);
    pacer.setConditioning(other, (frame) => frame === 'another');
    assert.equal(pacer.evaluations().length, 4);
    pacer.setConditioning(other);
    assert.deepEqual(
      pacer.evaluations().map((evaluation) => evaluation.conditioning),
      [other.negative, other.positive],
    );
  });

  it('a frame whose latent is known needs no evaluation, and leaves in its turn', () => {
    const known = Float32Array.from({ length: 8 }, (_, k) => k);
    const frames = through([
      { ...entry, conditioning: one },
      { ...entry, conditioning: one, knownX0: known },
      { ...entry, conditioning: other },
    ]);
    assert.deepEqual(frames, [through([{ ...entry, conditioning: one }])[0], known, through([{ ...entry, conditioning: other }])[0]]);
    const pacer = new TransitionPacer<string>(() => undefined);
    pacer.enter({ ...entry, frame: 'known', conditioning: one, knownX0: known });
    assert.deepEqual(pacer.evaluations(), []);
    assert.deepEqual(pacer.advance([]), [{ frame: 'known', latent: known }]);
  });

  it('dissolves only what is the same frame as the probes of its way: the same noise, settings and pictures', () => {
    const hand = conditioning(2);
    const pacer = new TransitionPacer<string>(() => undefined);
    const from = { positive: one.positive, negative: one.negative, warnings: [] };
    const way = new TransitionPath(from, { positive: other.positive, negative: other.negative, warnings: [] }, 'linear');
    const picture = {};
    const paced = (change: object, time: number): PacedEntry<string> =>
      pacer.pace(
        way.at(time),
        { ...entry, frame: 'f', conditioning: { positive: hand, negative: hand }, pictures: { edges: picture }, ...change },
        true,
      );
    paced({}, 0);
    assert.ok(paced({}, 0.02).dissolve);
    assert.equal(paced({ pictures: { edges: {} } }, 0.04).dissolve, undefined);
    assert.equal(paced({ pictures: {} }, 0.06).dissolve, undefined);
    assert.equal(paced({ latent: latent.map((value) => value + 1) }, 0.08).dissolve, undefined);
    assert.equal(paced({ denoising: { ...denoising } }, 0.1).dissolve, undefined);
    assert.ok(paced({ latent: latent.slice() }, 0.11).dissolve);
  });

  it('frames that are taken out leave nothing behind', () => {
    const pacer = new TransitionPacer<string>(() => undefined);
    pacer.enter({ ...entry, frame: 'stays', conditioning: one });
    pacer.enter({ ...entry, frame: 'goes', conditioning: one, dissolve: { conditioning: other, part: 0.5 } });
    tick(pacer);
    assert.deepEqual(
      pacer.remove((frame) => frame === 'goes'),
      ['goes'],
    );
    assert.equal(pacer.evaluations().length, 2);
    tick(pacer);
    const [{ frame, latent: finished }] = tick(pacer);
    assert.equal(frame, 'stays');
    assert.deepEqual(finished, through([{ ...entry, conditioning: one }])[0]);
  });
});
