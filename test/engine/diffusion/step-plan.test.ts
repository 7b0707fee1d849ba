import assert from 'node:assert/strict';
import type { CfgType, PredictionType, Scheduler } from '../../../engine';
import { needsNegativePass, usesResidualNoise } from '../../../engine/diffusion/guidance';
import { evaluate, type StepLatents } from '../../../engine/diffusion/linear-form';
import { randn } from '../../../engine/diffusion/noise';
import { denoisingSteps, type Step } from '../../../engine/diffusion/schedule';
import { type DenoiseConfig, planStep } from '../../../engine/diffusion/step-plan';
import { STABLE_DIFFUSION } from '../../lib/reference';

type Numbers = ArrayLike<number>;
const each = (like: Numbers, value: (k: number) => number): Float64Array => Float64Array.from(like, (_, k) => value(k));

/** The formulas of the papers one after the other, number by number. @returns x_τ' or x̂0, and ε' */
function byFormulas(config: DenoiseConfig, stepIndex: number, latents: StepLatents): { latent: Numbers; residual?: Numbers } {
  const { steps, predictionType, guidanceScale, delta, doAddNoise } = config;
  const { alphaProdTSqrt: a, betaProdTSqrt: b, cSkip, cOut, intermediate: s } = steps[stepIndex];
  const next: Step | undefined = steps[stepIndex + 1];
  const { x, positive, negative, noise = each(x, () => 0) } = latents;
  const cleanOf = (p: Numbers): Float64Array =>
    each(x, (k) => (predictionType === 'epsilon' ? (x[k] - b * p[k]) / a : predictionType === 'v_prediction' ? a * x[k] - b * p[k] : p[k]));
  let clean = cleanOf(positive);
  let residual: Numbers = latents.residual;
  const guideBy = (other: Numbers): void => {
    const before = clean;
    clean = each(x, (k) => other[k] + guidanceScale * (before[k] - other[k]));
  };
  const carries = usesResidualNoise(config);
  if (negative) {
    const other = cleanOf(negative);
    if (carries) residual = Float32Array.from(each(x, (k) => (x[k] - a * other[k]) / b));
    else guideBy(other);
  }
  const virtual = (strength: number): Float64Array => each(x, (k) => (x[k] - b * strength * residual[k]) / a);
  if (carries && a !== 0) guideBy(virtual(delta));
  const denoised = each(x, (k) => cOut * clean[k] + cSkip * x[k]);
  if (!next) return { latent: denoised };
  const known = a === 0 ? clean : virtual(1);
  if (s) {
    const kept = next.alphaProdTSqrt / s.alphaProdTSqrt;
    const fresh = Math.sqrt(Math.max(0, 1 - kept ** 2));
    const latent = each(x, (k) => kept * (s.alphaProdTSqrt * clean[k] + (s.betaProdTSqrt * (x[k] - a * clean[k])) / b) + fresh * noise[k]);
    return {
      latent,
      ...(carries && { residual: each(x, (k) => (latent[k] - next.alphaProdTSqrt * known[k]) / next.betaProdTSqrt) }),
    };
  }
  const added = (k: number): number => (doAddNoise ? noise[k] : 0);
  const gain = next.alphaProdTSqrt / next.betaProdTSqrt;
  const shift = (k: number): number => (a === 0 ? 0 : gain * (denoised[k] - (cOut * known[k] + cSkip * (x[k] - b * residual[k]))));
  return {
    latent: each(x, (k) => next.alphaProdTSqrt * denoised[k] + next.betaProdTSqrt * added(k)),
    ...(carries && { residual: each(x, (k) => shift(k) + added(k)) }),
  };
}

describe('the plan of a denoising step', () => {
  const latentOf = (seed: number): Float32Array => randn([64], seed);
  const cfgTypes: CfgType[] = ['none', 'full', 'self', 'initialize'];
  const schedulers: Scheduler[] = ['lcm', 'tcd'];
  const types: [PredictionType, boolean][] = [
    ['epsilon', false],
    ['v_prediction', false],
    ['sample', false],
    ['v_prediction', true],
    ['sample', true],
  ];

  for (const cfgType of cfgTypes) {
    for (const scheduler of schedulers) {
      it(`gives in one pass what the formulas give one by one: ${cfgType}, ${scheduler}`, () => {
        for (const [predictionType, rescaleBetasZeroSnr] of types) {
          for (const doAddNoise of [true, false]) {
            const eta = doAddNoise ? 0.3 : 0;
            const steps = denoisingSteps({ ...STABLE_DIFFUSION, rescaleBetasZeroSnr }, 50, [0, 15, 45], scheduler, eta);
            const config: DenoiseConfig = { steps, predictionType, doAddNoise, cfgType, guidanceScale: 1.7, delta: 0.8 };
            for (const index of steps.keys()) {
              const latents: StepLatents = {
                x: latentOf(1),
                positive: latentOf(2),
                negative: needsNegativePass(config, index) ? latentOf(3) : undefined,
                residual: latentOf(4),
                noise: index + 1 < steps.length ? latentOf(5) : undefined,
              };
              const expected = byFormulas(config, index, latents);
              const plan = planStep(config, index);
              assert.equal(plan.nextResidual !== undefined, expected.residual !== undefined);
              const target = new Float32Array(64);
              const second = new Float32Array(64);
              if (plan.residual) {
                evaluate(latents, plan.residual, second);
                Object.assign(latents, { residual: second.slice(), negative: undefined });
              }
              evaluate(latents, plan.latent, target, plan.nextResidual && [plan.nextResidual, second]);
              const label = `${predictionType}${rescaleBetasZeroSnr ? ' at zero terminal SNR' : ''}, step ${index}, noise ${doAddNoise}`;
              isNear(target, expected.latent, `latent: ${label}`);
              if (expected.residual) isNear(second, expected.residual, `residual: ${label}`);
            }
          }
        }
      });
    }
  }

  it('may write its result over the latent that it reads', () => {
    const steps = denoisingSteps(STABLE_DIFFUSION, 50, [10, 30]);
    const config: DenoiseConfig = { steps, predictionType: 'epsilon', doAddNoise: true, cfgType: 'self', guidanceScale: 1.4, delta: 1 };
    const { latent, nextResidual } = planStep(config, 0);
    const latents = (): StepLatents => ({ x: latentOf(1), positive: latentOf(2), residual: latentOf(3), noise: latentOf(4) });
    const [apart, other] = [new Float32Array(64), new Float32Array(64)];
    evaluate(latents(), latent, apart, nextResidual && [nextResidual, other]);
    const own = latents();
    evaluate(own, latent, own.x, nextResidual && [nextResidual, own.residual]);
    assert.deepEqual([own.x, own.residual], [apart, other]);
  });
});

function isNear(got: Numbers, expected: Numbers, label: string): void {
  for (let k = 0; k < expected.length; k++)
    assert.ok(Math.abs(got[k] - expected[k]) <= 1e-6 * Math.max(1, Math.abs(expected[k])), `${label}: ${got[k]} is not ${expected[k]}`);
}
