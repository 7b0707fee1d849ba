import { EngineError } from '../errors';
import type { Net } from '../net/net';
import { TextEncoder } from '../prompt/text-encoder';
import type { Tokenizer } from '../prompt/tokenizer';
import type { SchedulerConfig } from '../stream/schedule';
import { latentSpace, numberIn, scaleFactor, schedulerConfig } from './configs';
import type { ModelFiles, NetName } from './files';
import { Unet } from './unet';
import { VaeDecoder, VaeEncoder } from './vae';

export type Nets = Partial<Record<NetName, Net>>;

/** A model put together from its nets and configs. */
export interface ModelParts {
  textEncoder: TextEncoder;
  unet: Unet;
  /** Undefined when the folder has none: such a model only does txt2img. */
  vaeEncoder?: VaeEncoder;
  vaeDecoder: VaeDecoder;
  vaeScaleFactor: number;
  schedulerConfig: SchedulerConfig;
}

/**
 * Puts a model together and checks that its parts fit each other. No net is run, so it works on headers alone.
 * Throws EBADMODEL when a net is of another kind, or the parts contradict each other.
 */
export function assemble(files: ModelFiles, nets: Nets, tokenizer: Tokenizer | undefined): ModelParts {
  const config = (name: NetName) => files.nets[name]?.config ?? {};
  const vae = { ...config('vae_encoder'), ...config('vae_decoder') };
  const textEncoder = new TextEncoder(required(nets, 'text_encoder'), tokenizer, config('text_encoder'));
  const unet = new Unet(required(nets, 'unet'), numberIn(config('unet'), 'in_channels', 4), scaleFactor(vae));
  const space = latentSpace(vae, unet.latentChannels);
  if (unet.latentChannels !== space.channels) {
    throw new EngineError(
      'EBADMODEL',
      `unet takes latents of ${unet.latentChannels} channels, but the autoencoder's config says ${space.channels}: they are not of one model`,
    );
  }
  const width = unet.conditioningWidth ?? numberIn(config('unet'), 'cross_attention_dim', textEncoder.width);
  if (width !== textEncoder.width) {
    throw new EngineError(
      'EBADMODEL',
      `unet takes embeddings of width ${width}, but text_encoder gives ${textEncoder.width}: they are not of one model`,
    );
  }
  return {
    textEncoder,
    unet,
    ...(nets.vae_encoder && { vaeEncoder: new VaeEncoder(nets.vae_encoder, space) }),
    vaeDecoder: new VaeDecoder(required(nets, 'vae_decoder'), space),
    vaeScaleFactor: space.factor,
    schedulerConfig: schedulerConfig(files.schedulerConfig),
  };
}

function required(nets: Nets, name: NetName): Net {
  const net = nets[name];
  if (net) return net;
  throw new EngineError('ENOMODEL', `the model has no ${name}`);
}
