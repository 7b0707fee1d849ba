import { EngineError } from '../errors';
import type { Json } from '../util/json-file';
import { kindOf, printable } from '../util/quote';
import type { SchedulerConfig } from '../diffusion/schedule';
import type { LatentSpace } from './vae';

/** The largest values in configs: no trained model has a longer schedule, more channels or larger widths. */
const LONGEST_SCHEDULE = 100_000;
const MOST_CHANNELS = 1024;
const LARGEST_FACTOR = 1000;
/** The most blocks of an autoencoder. Each but one halves the picture: three times in Stable Diffusion, five in the deepest. */
const MOST_BLOCKS = 8;

/**
 * The facts of a scheduler_config.json that a stream needs, with the defaults of diffusers' LCMScheduler.
 *
 * @throws EBADMODEL for a schedule without steps or with too many, or with invalid noise levels
 */
export function schedulerConfig(config: Json): SchedulerConfig {
  const numTrainTimesteps = wholeIn(config, 'num_train_timesteps', 1000, 2, LONGEST_SCHEDULE);
  return {
    numTrainTimesteps,
    betaStart: numberIn(config, 'beta_start', 0.00085, 0, 1),
    betaEnd: numberIn(config, 'beta_end', 0.012, Number.MIN_VALUE, 1),
    betaSchedule: oneOf(config, 'beta_schedule', ['linear', 'scaled_linear', 'squaredcos_cap_v2'], 'scaled_linear'),
    predictionType: oneOf(config, 'prediction_type', ['epsilon', 'v_prediction', 'sample'], 'epsilon'),
    rescaleBetasZeroSnr: config.rescale_betas_zero_snr === true,
    originalInferenceSteps: wholeIn(config, 'original_inference_steps', Math.min(50, numTrainTimesteps), 1, numTrainTimesteps),
    timestepScaling: numberIn(config, 'timestep_scaling', 10, Number.MIN_VALUE, 1e6),
  };
}

/** Operators of a full autoencoder that no tiny one has: normalisation and attention. */
const FULL_ONLY = ['InstanceNormalization', 'GroupNormalization', 'com.microsoft.GroupNorm', 'Softmax'];

/** Whether an autoencoder is a tiny one (TAESD): by its config's class, or by its operators where there is no config. */
export function isTiny(vae: Json, operators: ReadonlySet<string>): boolean {
  if (typeof vae._class_name === 'string') return vae._class_name.endsWith('Tiny');
  return 'encoder_block_out_channels' in vae || !FULL_ONLY.some((operator) => operators.has(operator));
}

/**
 * Picture size ÷ latent size, from the config of an autoencoder: every block but the last one halves the picture.
 *
 * @throws EBADMODEL for more blocks than an autoencoder can have
 */
export function scaleFactor(vae: Json): number {
  const blocks = vae.block_out_channels ?? vae.decoder_block_out_channels ?? vae.encoder_block_out_channels;
  if (!Array.isArray(blocks) || blocks.length === 0) return 8;
  if (blocks.length <= MOST_BLOCKS) return 2 ** (blocks.length - 1);
  throw new EngineError('EBADMODEL', `the autoencoder's config lists ${blocks.length} blocks; autoencoders have at most ${MOST_BLOCKS}`);
}

/**
 * The latent space of an autoencoder, from its config, with the defaults of diffusers' AutoencoderTiny and AutoencoderKL.
 *
 * @param channels of the latents, where the config does not say
 * @param xl whether it belongs to an SDXL model, whose full autoencoder has another scale
 * @throws EBADMODEL
 */
export function latentSpace(vae: Json, channels: number, tiny: boolean, xl: boolean): LatentSpace {
  const scale = numberIn(vae, 'scaling_factor', tiny ? 1 : xl ? 0.13025 : 0.18215, -LARGEST_FACTOR, LARGEST_FACTOR);
  if (scale === 0)
    throw new EngineError('EBADMODEL', 'the autoencoder\'s config says "scaling_factor": 0, which leaves nothing of a picture');
  return {
    channels: wholeIn(vae, 'latent_channels', channels, 1, MOST_CHANNELS),
    factor: scaleFactor(vae),
    scale,
    shift: numberIn(vae, 'shift_factor', 0, -LARGEST_FACTOR, LARGEST_FACTOR),
  };
}

/** A number in a config; null and missing stand for the default. @throws EBADMODEL for another type, or beyond the bounds */
export function numberIn(config: Json, key: string, otherwise: number, min = -Infinity, max = Infinity): number {
  const value = config[key] ?? otherwise;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new EngineError('EBADMODEL', `a config of this model says "${key}": ${kindOf(value)}, where a number is needed`);
  }
  if (value >= min && value <= max) return value;
  throw new EngineError('EBADMODEL', `a config of this model says "${key}": ${value}, where a number ${boundsInWords(min, max)} is needed`);
}

/** The same for an integer. */
export function wholeIn(config: Json, key: string, otherwise: number, min: number, max: number): number {
  const value = numberIn(config, key, otherwise);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new EngineError(
    'EBADMODEL',
    `a config of this model says "${key}": ${value}, where a whole number ${boundsInWords(min, max)} is needed`,
  );
}

function boundsInWords(min: number, max: number): string {
  return min === Number.MIN_VALUE ? `above 0, at most ${max}` : `from ${min} to ${max}`;
}

function oneOf<T extends string>(config: Json, key: string, allowed: readonly T[], otherwise: T): T {
  const value = config[key] ?? otherwise;
  const known = allowed.find((one) => one === value);
  if (known !== undefined) return known;
  throw new EngineError(
    'EBADMODEL',
    `scheduler_config.json says "${key}": ${typeof value === 'string' ? `"${printable(value, 40)}"` : kindOf(value)}; known are ${allowed.join(', ')}`,
  );
}
