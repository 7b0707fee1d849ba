import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { alphasCumprod, denoisingSteps, inferenceTimesteps } from '../../../engine/diffusion/schedule';
import { recording, REFERENCE, STABLE_DIFFUSION } from '../../lib/reference';

function assertNear(got: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(got - expected) <= tolerance, `${got} is not ${expected}`);
}

describe('schedule', () => {
  for (const file of readdirSync(join(REFERENCE, 'cases')).filter((name) => name.endsWith('.json'))) {
    it(`has the coefficients recorded in ${file}`, () => {
      const reference = recording(file.replace('.json', ''));
      const steps = denoisingSteps(STABLE_DIFFUSION, reference.case.num_inference_steps, reference.case.t_index_list);
      assert.deepEqual(
        steps.map((step) => step.timestep),
        reference.sub_timesteps,
      );
      steps.forEach((step, i) => {
        assertNear(step.alphaProdTSqrt, reference.alpha_prod_t_sqrt[i], 1e-6);
        assertNear(step.betaProdTSqrt, reference.beta_prod_t_sqrt[i], 1e-6);
        assertNear(step.cSkip, reference.c_skip[i], 1e-9);
        assertNear(step.cOut, reference.c_out[i], 1e-6);
      });
    });
  }

  it('spaces timesteps as LCMScheduler does', () => {
    assert.deepEqual(inferenceTimesteps(STABLE_DIFFUSION, 50).slice(0, 3), [999, 979, 959]);
    assert.deepEqual(inferenceTimesteps(STABLE_DIFFUSION, 50).at(-1), 19);
    assert.deepEqual(inferenceTimesteps(STABLE_DIFFUSION, 4), [999, 759, 499, 259]);
    assert.deepEqual(inferenceTimesteps(STABLE_DIFFUSION, 1), [999]);
    assert.throws(() => inferenceTimesteps(STABLE_DIFFUSION, 51), { code: 'EBADPARAM' });
  });

  it('linear betas end where DDPM ends, cosine ones follow cos² (Nichol and Dhariwal, Eq. 17)', () => {
    const linear = alphasCumprod({ ...STABLE_DIFFUSION, betaSchedule: 'linear', betaStart: 0.0001, betaEnd: 0.02 });
    assertNear(linear[0], 0.9999, 1e-7);
    assertNear(linear[999], 4.0358e-5, 1e-8);
    const cosine = alphasCumprod({ ...STABLE_DIFFUSION, betaSchedule: 'squaredcos_cap_v2' });
    const alphaBar = (t: number) =>
      Math.cos(((t / 1000 + 0.008) / 1.008) * (Math.PI / 2)) ** 2 / Math.cos((0.008 / 1.008) * (Math.PI / 2)) ** 2;
    for (const t of [0, 250, 499, 900]) assertNear(cosine[t], alphaBar(t + 1), 1e-5);
  });

  it('zero terminal SNR: the last timestep is pure noise, the first one stays', () => {
    const plain = alphasCumprod(STABLE_DIFFUSION);
    const rescaled = alphasCumprod({ ...STABLE_DIFFUSION, rescaleBetasZeroSnr: true });
    assert.equal(rescaled[999], 0);
    assertNear(rescaled[0], plain[0], 1e-9);
    assert.ok(rescaled[500] < plain[500]);
  });
});
