import assert from 'node:assert/strict';
import type { CfgType, PredictionType } from '../../../engine';
import { denoisingSteps, type SchedulerConfig, type Step } from '../../../engine/stream/schedule';
import { type Denoising, type Evaluation, StreamBatch } from '../../../engine/stream/stream-batch';
import { STABLE_DIFFUSION } from '../../lib/reference';

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
function run(options: Partial<Denoising>, config: Partial<SchedulerConfig> = {}): Float32Array {
  const steps = denoisingSteps({ ...STABLE_DIFFUSION, ...config }, 50, [0, 20, 40]);
  const denoising: Denoising = { steps, predictionType: 'epsilon', doAddNoise: true, cfgType: 'none', guidanceScale: 1.5, delta: 0.8, ...options };
  const batch = new StreamBatch<string, number>();
  batch.enter({ frame: 'f', latent: x, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising });
  for (;;) {
    const predictions = batch.evaluations().map((evaluation) => predict(evaluation, steps, denoising.predictionType));
    const [done] = batch.advance(predictions);
    if (done) return done.latent;
  }
}

describe('stream batch: prediction types', () => {
  for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[]) {
    it(`epsilon, v and sample predictions of one net give one picture: ${cfgType}`, () => {
      for (const doAddNoise of [true, false]) {
        const epsilon = run({ cfgType, doAddNoise });
        for (const predictionType of ['v_prediction', 'sample'] as const) {
          const other = run({ cfgType, doAddNoise, predictionType });
          // A float32 epsilon loses up to √(1-ᾱ)/√ᾱ = 14.6 of its last bits at the first step.
          other.forEach((value, k) => assert.ok(Math.abs(value - epsilon[k]) < 1e-5, `${predictionType}[${k}]: ${value} is not ${epsilon[k]}`));
        }
      }
    });
  }

  it('zero terminal SNR: v and sample predictions work from pure noise, with every guidance', () => {
    for (const cfgType of ['none', 'full', 'self', 'initialize'] as CfgType[]) {
      for (const predictionType of ['v_prediction', 'sample'] as const) {
        const latent = run({ cfgType, predictionType }, { rescaleBetasZeroSnr: true });
        assert.ok(latent.every(Number.isFinite), `${cfgType}, ${predictionType}`);
      }
    }
  });

  it('a step asks for a second row only where guidance needs one', () => {
    const rows = (denoising: Partial<Denoising>) => {
      const steps = denoisingSteps(STABLE_DIFFUSION, 50, [0, 20, 40]);
      const full: Denoising = { steps, predictionType: 'epsilon', doAddNoise: true, cfgType: 'none', guidanceScale: 1.5, delta: 1, ...denoising };
      const batch = new StreamBatch<number, number>();
      const counts: number[] = [];
      batch.enter({ frame: 0, latent: x, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising: full });
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
    const denoising: Denoising = { steps, predictionType: 'sample', doAddNoise: true, cfgType: 'self', guidanceScale: 1.4, delta: 1 };
    batch.enter({ frame: 0, latent, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising });
    const predicted = predict(batch.evaluations()[0], steps, 'sample');
    const [{ latent: guided }] = batch.advance([predicted]);
    guided.forEach((value, k) => assert.ok(Math.abs(value - (clean[k] + 1.4 * (predicted[k] - clean[k]))) < 1e-5));
  });

  it('guides once: from outside, or by the input of a distilled model', () => {
    const guidances = (options: Partial<Denoising>): number[] => {
      const steps = denoisingSteps(STABLE_DIFFUSION, 50, [0, 20]);
      const batch = new StreamBatch<string, number>();
      const denoising: Denoising = { steps, predictionType: 'epsilon', doAddNoise: true, cfgType: 'none', guidanceScale: 8, delta: 1, ...options };
      batch.enter({ frame: 'f', latent: x, shape: { height: 2, width: 4 }, noise, conditioning: { positive: 1, negative: -1 }, denoising });
      return batch.evaluations().map(({ guidance }) => guidance);
    };
    assert.deepEqual(guidances({}), [7]);
    assert.deepEqual(guidances({ guidanceScale: 0.5 }), [0], 'guidance rests at 1 and below');
    assert.deepEqual(guidances({ cfgType: 'full' }), [0, 0]);
    assert.deepEqual(guidances({ cfgType: 'self' }), [0]);
  });
});
