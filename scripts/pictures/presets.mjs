import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { ROOT } from './places.mjs';

const window = {};
runInNewContext(readFileSync(join(ROOT, 'resources/denoiser-steps.js'), 'utf8'), { window });

/** The presets of the denoiser's dialog for the embedded model, as settings of a stream. */
export const PRESETS = Object.entries(window.StreamDiffusion.presetsOf(true)).map(([name, { strength, steps, cfgType }]) => ({
  name,
  settings: { strength: Number(strength), steps: Number(steps), cfgType },
}));
