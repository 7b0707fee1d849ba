import { EngineError } from '../errors';
import type { Json } from '../json-file';
import type { SchedulerConfig } from '../stream/schedule';
import type { LatentSpace } from './vae';

/** The facts of a scheduler_config.json that a stream needs, with the defaults of diffusers' LCMScheduler. */
export function schedulerConfig(config: Json): SchedulerConfig {
  return {
    numTrainTimesteps: numberIn(config, 'num_train_timesteps', 1000),
    betaStart: numberIn(config, 'beta_start', 0.00085),
    betaEnd: numberIn(config, 'beta_end', 0.012),
    betaSchedule: oneOf(config, 'beta_schedule', ['linear', 'scaled_linear', 'squaredcos_cap_v2'], 'scaled_linear'),
    predictionType: oneOf(config, 'prediction_type', ['epsilon', 'v_prediction', 'sample'], 'epsilon'),
    rescaleBetasZeroSnr: config.rescale_betas_zero_snr === true,
    originalInferenceSteps: numberIn(config, 'original_inference_steps', 50),
    timestepScaling: numberIn(config, 'timestep_scaling', 10),
  };
}

/** Operators of a full autoencoder that no tiny one has: normalisation and attention. */
const FULL_ONLY = ['InstanceNormalization', 'GroupNormalization', 'com.microsoft.GroupNorm', 'Softmax'];

/** Whether an autoencoder is a tiny one (TAESD): by its config's class, or by its operators where there is no config. */
export function isTiny(vae: Json, operators: ReadonlySet<string>): boolean {
  if (typeof vae._class_name === 'string') return vae._class_name.endsWith('Tiny');
  return 'encoder_block_out_channels' in vae || !FULL_ONLY.some((operator) => operators.has(operator));
}

/** Picture size ÷ latent size, from the config of an autoencoder: every block but the last one halves the picture. */
export function scaleFactor(vae: Json): number {
  const blocks = vae.block_out_channels ?? vae.decoder_block_out_channels ?? vae.encoder_block_out_channels;
  return Array.isArray(blocks) && blocks.length > 0 ? 2 ** (blocks.length - 1) : 8;
}

/**
 * The latent space of an autoencoder, from its config, with the defaults of diffusers' AutoencoderTiny and AutoencoderKL.
 *
 * @param channels of the latents, where the config does not say
 * @param xl whether it belongs to an SDXL model, whose full autoencoder has another scale
 */
export function latentSpace(vae: Json, channels: number, tiny: boolean, xl: boolean): LatentSpace {
  return {
    channels: numberIn(vae, 'latent_channels', channels),
    factor: scaleFactor(vae),
    scale: numberIn(vae, 'scaling_factor', tiny ? 1 : xl ? 0.13025 : 0.18215),
    shift: numberIn(vae, 'shift_factor', 0),
  };
}

/** A number in a config; null and missing count as the default. */
export function numberIn(config: Json, key: string, otherwise: number): number {
  const value = config[key] ?? otherwise;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new EngineError('EBADMODEL', `a config of this model says "${key}": ${JSON.stringify(value)}, where a number is needed`);
}

function oneOf<T extends string>(config: Json, key: string, allowed: readonly T[], otherwise: T): T {
  const value = config[key] ?? otherwise;
  const known = allowed.find((one) => one === value);
  if (known !== undefined) return known;
  throw new EngineError(
    'EBADMODEL',
    `scheduler_config.json says "${key}": ${JSON.stringify(value)}; known are ${allowed.join(', ')}`,
  );
}
