import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CfgType, PredictionType, Scheduler } from '../../../engine';
import { denoisingSteps, type SchedulerConfig, type Step } from '../../../engine/diffusion/schedule';
import type { DenoiseConfig } from '../../../engine/diffusion/step-plan';
import { type Evaluation, StreamBatch } from '../../../engine/diffusion/stream-batch';
import { ROOT, STABLE_DIFFUSION } from '../../lib/reference';

/** A stand-in for the UNet that is only arithmetic, so that its epsilon, v and sample predictions are exactly the same net. */
function predict({ sample, timestep, conditioning }: Evaluation<number>, steps: readonly Step[], type: PredictionType): Float32Array {
  const { alphaProdTSqrt: a, betaProdTSqrt: b } = steps.find((step) => step.timestep === timestep) as Step;
  return Float32Array.from(sample, (x, k) => {
    const clean = 0.3 * Math.tanh(x) + 0.05 * conditioning + 0.01 * k;
    if (type === 'sample') return clean;
    const epsilon = (x - a * clean) / b;
    return type === 'epsilon' ? epsilon : a * epsilon - b * clean;
  });
}

const noise = [0, 1, 2].map((step) => Float32Array.from({ length: 8 }, (_, k) => Math.sin(step * 5 + k * 2.3)));
const x = Float32Array.from({ length: 8 }, (_, k) => Math.cos(k * 1.7));

/** One frame through a stream batch of its own. */
function run(options: Partial<DenoiseConfig>, config: Partial<SchedulerConfig> = {}, scheduler: Scheduler = 'lcm'): Float32Array {
  const steps = denoisingSteps({ ...STABLE_DIFFUSION, ...config }, 50, [0, 20, 40], scheduler);
  const denoising: DenoiseConfig = {
    steps,
    predictionType: 'epsilon',
    doAddNoise: true,
    cfgType: 'none',
    guidanceScale: 1.5,
    delta: 0.8,
    ...options,
  };
  const batch = new StreamBatch<string, number>();
  batch.enter({ frame: 'f', latent: x, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising });
  for (;;) {
    const predictions = batch.evaluations().map((evaluation) => predict(evaluation, steps, denoising.predictionType));
    const [done] = batch.advance(predictions);
    if (done) return done.latent;
  }
}

describe('stream batch: trajectory consistency (TCD)', () => {
  interface Recorded {
    predictionType: PredictionType;
    eta: number;
    x: number[];
    steps: { timestep: number; prediction: number[]; noise: number[]; prev_sample: number[]; clean?: number[] }[];
  }
  const { cases } = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/tcd.json'), 'utf8')) as { cases: Recorded[] };

  for (const { predictionType, eta, x: start, steps: recorded } of cases) {
    it(`gives the recorded numbers of diffusers: ${predictionType}, eta ${eta}`, () => {
      const tIndexList = recorded.map(({ timestep }) => (999 - timestep) / 20);
      const steps = denoisingSteps(STABLE_DIFFUSION, 50, tIndexList, 'tcd', eta);
      const denoising: DenoiseConfig = { steps, predictionType, doAddNoise: true, cfgType: 'none', guidanceScale: 1, delta: 1 };
      // The noise that is added after step i belongs to step i + 1.
      const rows = [new Float32Array(8), ...recorded.map(({ noise: drawn }) => Float32Array.from(drawn))];
      const batch = new StreamBatch<number, number>();
      batch.enter({
        frame: 0,
        latent: Float32Array.from(start),
        shape: { height: 2, width: 4 },
        noise: rows,
        conditioning: { positive: 1, negative: -1 },
        denoising,
      });
      for (const { prediction, prev_sample: expected, clean } of recorded) {
        const done = batch.advance([Float32Array.from(prediction)]);
        const got = clean ? done[0].latent : batch.evaluations()[0].sample;
        // A step at timestep 999 divides by √ᾱ = 0.068 in float32, there as here.
        (clean ?? expected).forEach((value, k) =>
          assert.ok(Math.abs(got[k] - value) < 1e-4 * Math.max(1, Math.abs(value)), `${got[k]} is not ${value}`),
        );
      }
    });
  }

  it('eta 1 is multistep consistency sampling: x0 with fresh noise', () => {
    const steps = denoisingSteps(STABLE_DIFFUSION, 50, [20, 40], 'tcd', 1);
    const denoising: DenoiseConfig = { steps, predictionType: 'sample', doAddNoise: true, cfgType: 'none', guidanceScale: 1, delta: 1 };
    const batch = new StreamBatch<number, number>();
    batch.enter({ frame: 0, latent: x, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising });
    const clean = predict(batch.evaluations()[0], steps, 'sample');
    batch.advance([clean]);
    const [{ sample }] = batch.evaluations();
    // s is timestep 0, where 0.03 of the latent are noise still.
    sample.forEach((value, k) =>
      assert.ok(Math.abs(value - (steps[1].alphaProdTSqrt * clean[k] + steps[1].betaProdTSqrt * noise[1][k])) < 0.1),
    );
  });
});

describe('stream batch: prediction types', () => {
  for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[]) {
    it(`epsilon, v and sample predictions of one net give one picture: ${cfgType}`, () => {
      for (const [doAddNoise, scheduler] of [
        [true, 'lcm'],
        [false, 'lcm'],
        [true, 'tcd'],
      ] as const) {
        const epsilon = run({ cfgType, doAddNoise }, {}, scheduler);
        for (const predictionType of ['v_prediction', 'sample'] as const) {
          const other = run({ cfgType, doAddNoise, predictionType }, {}, scheduler);
          // A float32 epsilon loses up to √(1-ᾱ)/√ᾱ = 14.6 of its last bits at the first step.
          other.forEach((value, k) =>
            assert.ok(Math.abs(value - epsilon[k]) < 1e-5, `${predictionType}[${k}]: ${value} is not ${epsilon[k]}`),
          );
        }
      }
    });
  }

  it('zero terminal SNR: v and sample predictions work from pure noise, with every guidance', () => {
    for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[]) {
      for (const predictionType of ['v_prediction', 'sample'] as const) {
        for (const scheduler of ['lcm', 'tcd'] as const) {
          const latent = run({ cfgType, predictionType }, { rescaleBetasZeroSnr: true }, scheduler);
          assert.ok(latent.every(Number.isFinite), `${cfgType}, ${predictionType}, ${scheduler}`);
        }
      }
    }
  });

  it('a step asks for a second row only where guidance needs one', () => {
    const rows = (denoising: Partial<DenoiseConfig>) => {
      const steps = denoisingSteps(STABLE_DIFFUSION, 50, [0, 20, 40]);
      const full: DenoiseConfig = {
        steps,
        predictionType: 'epsilon',
        doAddNoise: true,
        cfgType: 'none',
        guidanceScale: 1.5,
        delta: 1,
        ...denoising,
      };
      const batch = new StreamBatch<number, number>();
      const counts: number[] = [];
      batch.enter({
        frame: 0,
        latent: x,
        shape: { height: 2, width: 4 },
        noise,
        conditioning: { positive: 1, negative: -1 },
        denoising: full,
      });
      while (batch.inFlight > 0) {
        const evaluations = batch.evaluations();
        counts.push(evaluations.length);
        batch.advance(evaluations.map((evaluation) => predict(evaluation, steps, 'epsilon')));
      }
      return counts;
    };
    assert.deepEqual(rows({ cfgType: 'none' }), [1, 1, 1]);
    assert.deepEqual(rows({ cfgType: 'self' }), [1, 1, 1]);
    assert.deepEqual(rows({ cfgType: 'initialize' }), [2, 1, 1]);
    assert.deepEqual(rows({ cfgType: 'full' }), [2, 2, 2]);
    assert.deepEqual(rows({ cfgType: 'full', guidanceScale: 1 }), [1, 1, 1]);
  });

  it('self-negative: the virtual residual noise stands for the frame itself', () => {
    // With δ = 1 guidance is x0⁻ + γ (x0⁺ - x0⁻) with x0⁻ the clean latent that the frame was made of, at every step.
    const steps = denoisingSteps(STABLE_DIFFUSION, 50, [20]);
    const clean = Float32Array.from({ length: 8 }, (_, k) => 0.1 * k - 0.3);
    const { alphaProdTSqrt: a, betaProdTSqrt: b } = steps[0];
    const latent = clean.map((value, k) => a * value + b * noise[0][k]);
    const batch = new StreamBatch<number, number>();
    const denoising: DenoiseConfig = { steps, predictionType: 'sample', doAddNoise: true, cfgType: 'self', guidanceScale: 1.4, delta: 1 };
    batch.enter({ frame: 0, latent, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising });
    const predicted = predict(batch.evaluations()[0], steps, 'sample');
    const [{ latent: guided }] = batch.advance([predicted]);
    guided.forEach((value, k) => assert.ok(Math.abs(value - (clean[k] + 1.4 * (predicted[k] - clean[k]))) < 1e-5));
  });

  it('guides once: from outside, or by the input of a distilled model', () => {
    const guidances = (options: Partial<DenoiseConfig>): number[] => {
      const steps = denoisingSteps(STABLE_DIFFUSION, 50, [0, 20]);
      const batch = new StreamBatch<string, number>();
      const denoising: DenoiseConfig = {
        steps,
        predictionType: 'epsilon',
        doAddNoise: true,
        cfgType: 'none',
        guidanceScale: 8,
        delta: 1,
        ...options,
      };
      batch.enter({ frame: 'f', latent: x, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising });
      return batch.evaluations().map(({ guidance }) => guidance);
    };
    assert.deepEqual(guidances({}), [7]);
    assert.deepEqual(guidances({ guidanceScale: 0.5 }), [0], 'guidance rests at 1 and below');
    assert.deepEqual(guidances({ cfgType: 'full' }), [0, 0]);
    assert.deepEqual(guidances({ cfgType: 'self' }), [0]);
  });
});

describe('stream batch: latents', () => {
  const steps = denoisingSteps(STABLE_DIFFUSION, 50, [0, 15, 30, 45]);
  const denoising: DenoiseConfig = {
    steps,
    predictionType: 'epsilon',
    doAddNoise: true,
    cfgType: 'initialize',
    guidanceScale: 1.5,
    delta: 1,
  };
  const rows = steps.map((_, step) => Float32Array.from({ length: 8 }, (_, k) => Math.sin(step * 5 + k * 2.3)));

  it('works in memory that is kept, and leaves those of entries and of finished frames alone', () => {
    const batch = new StreamBatch<number, number>();
    const samples = new Set<ArrayBufferLike>();
    const finished: { latent: Float32Array; copy: Float32Array }[] = [];
    for (let frame = 0; frame < 40; frame++) {
      batch.enter({
        frame,
        latent: x,
        shape: { height: 2, width: 4 },
        noise: rows,
        conditioning: { positive: 1, negative: -1 },
        denoising,
      });
      const evaluations = batch.evaluations();
      for (const { sample } of evaluations) samples.add(sample.buffer);
      const done = batch.advance(evaluations.map((evaluation) => predict(evaluation, steps, 'epsilon')));
      finished.push(...done.map(({ latent }) => ({ latent, copy: latent.slice() })));
    }
    // Three rows past their first step, each with x_τ and ε', and those that are being written meanwhile.
    assert.ok(samples.size <= 1 + 2 * 4, `${samples.size} latents for 40 frames`);
    assert.equal(finished.length, 37);
    for (const { latent, copy } of finished) assert.deepEqual(latent, copy);
    assert.equal(new Set(finished.map(({ latent }) => latent.buffer)).size, 37);
    assert.deepEqual(
      x,
      Float32Array.from({ length: 8 }, (_, k) => Math.cos(k * 1.7)),
    );
    assert.deepEqual(
      rows[0],
      Float32Array.from({ length: 8 }, (_, k) => Math.sin(k * 2.3)),
    );
  });

  it('gives the same when guidance ends and begins again under way, whatever else is in flight', () => {
    const through = (others: number): Float32Array => {
      const batch = new StreamBatch<string, number>();
      const shape = { height: 2, width: 4 };
      const enter = (frame: string, latent: Float32Array): void =>
        batch.enter({ frame, latent, shape, noise: rows, conditioning: { positive: 1, negative: -1 }, denoising });
      for (let k = 0; k < others; k++)
        enter(
          `other ${k}`,
          x.map((value) => value + k + 1),
        );
      enter('looked at', x);
      for (const cfgType of ['none', 'self', 'none', 'self'] as const) {
        batch.setDenoising({ ...denoising, cfgType });
        const done = batch.advance(batch.evaluations().map((evaluation) => predict(evaluation, steps, 'epsilon')));
        enter(
          `later ${cfgType}`,
          x.map((value) => value - 1),
        );
        for (const { frame, latent } of done) if (frame === 'looked at') return latent;
      }
      throw new Error('it has not left');
    };
    const alone = through(0);
    assert.deepEqual(through(3), alone);
  });
});
