import { EngineError } from '../errors';
import type { SchedulerConfig } from '../stream/schedule';
import type { Json } from './folder';
import type { LatentSpace } from './vae';

/** A value of a config, when it is one of that kind. */
function numberOf(config: Json, key: string, otherwise: number): number {
  const value = config[key] ?? otherwise;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new EngineError('EBADMODEL', `a config says "${key}": ${JSON.stringify(value)}, which is no number`);
}

function oneOf<T extends string>(config: Json, key: string, allowed: readonly T[], otherwise: T): T {
  const value = config[key] ?? otherwise;
  const known = allowed.find((one) => one === value);
  if (known !== undefined) return known;
  throw new EngineError('EBADMODEL', `scheduler_config.json says "${key}": ${JSON.stringify(value)}; known are ${allowed.join(', ')}`);
}

/** The facts of a scheduler_config.json that a stream needs, with the defaults of diffusers' schedulers. */
export function schedulerConfig(config: Json): SchedulerConfig {
  return {
    numTrainTimesteps: numberOf(config, 'num_train_timesteps', 1000),
    betaStart: numberOf(config, 'beta_start', 0.00085),
    betaEnd: numberOf(config, 'beta_end', 0.012),
    betaSchedule: oneOf(config, 'beta_schedule', ['linear', 'scaled_linear', 'squaredcos_cap_v2'], 'scaled_linear'),
    predictionType: oneOf(config, 'prediction_type', ['epsilon', 'v_prediction', 'sample'], 'epsilon'),
    rescaleBetasZeroSnr: config.rescale_betas_zero_snr === true,
    originalInferenceSteps: numberOf(config, 'original_inference_steps', 50),
    timestepScaling: numberOf(config, 'timestep_scaling', 10),
  };
}

/** The latent space of an autoencoder, from the config of either of its halves. */
export function latentSpace(...configs: Json[]): LatentSpace {
  const config: Json = Object.assign({}, ...configs.toReversed());
  const blocks = config.block_out_channels ?? config.decoder_block_out_channels ?? config.encoder_block_out_channels;
  const tiny = config._class_name === 'AutoencoderTiny' || 'encoder_block_out_channels' in config;
  return {
    channels: numberOf(config, 'latent_channels', 4),
    factor: Array.isArray(blocks) && blocks.length > 0 ? 2 ** (blocks.length - 1) : 8,
    scale: numberOf(config, 'scaling_factor', tiny ? 1 : 0.18215),
    shift: numberOf(config, 'shift_factor', 0),
  };
}
