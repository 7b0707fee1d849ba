import assert from 'node:assert/strict';
import type { Engine, Output, Prompt, StreamInput, StreamOptions } from '../../engine';
import { relativeError } from './reference';

/** Choices of t_index_list by their number of steps. */
export const STEPS: Record<number, number[]> = { 1: [30], 2: [20, 40], 4: [0, 16, 32, 45] };

/** The options that laws are tested with, unless they say otherwise. */
export const LAW_OPTIONS: StreamOptions = { mode: 'img2img', width: 64, height: 64, tIndexList: STEPS[2], cfgType: 'none' };

/** All outputs of a stream of its own, which is flushed at the end. */
export async function outputsOf(
  engine: Engine,
  options: Partial<StreamOptions>,
  prompt: Prompt,
  inputs: readonly StreamInput[],
): Promise<Output[]> {
  const stream = await engine.createStream({ ...LAW_OPTIONS, ...options });
  await stream.setPrompt(prompt);
  const outputs: Output[] = [];
  for (const input of inputs) outputs.push(...(await stream.process(input)));
  outputs.push(...(await stream.flush()));
  await stream.close();
  return outputs;
}

/** Asserts that both are the same frames in the same order, up to rounding from the order of additions. */
export function assertSameFrames(got: readonly Output[], expected: readonly Output[], what = '', tolerance = 1e-4): void {
  assert.deepEqual(
    got.map(({ id }) => id),
    expected.map(({ id }) => id),
    what,
  );
  got.forEach(({ id, latent }, k) => {
    const error = relativeError(latent, expected[k].latent);
    assert.ok(error <= tolerance, `${what}: frame ${String(id)} is off by ${error}`);
  });
}

/** The root mean square of a latent's values. */
export const deviation = (latent: Float32Array): number => Math.sqrt(latent.reduce((sum, value) => sum + value * value, 0) / latent.length);
