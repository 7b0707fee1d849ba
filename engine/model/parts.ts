import { join } from 'node:path';
import { EngineError } from '../errors';
import type { Net } from '../net/net';
import { DualTextEncoder } from '../prompt/dual-text-encoder';
import { LARGEST_WIDTH, type PromptNet, TextEncoder } from '../prompt/text-encoder';
import { Tokenizer, TOKENIZER_FILES } from '../prompt/tokenizer';
import type { SchedulerConfig } from '../diffusion/schedule';
import { isTiny, latentSpace, scaleFactor, schedulerConfig, wholeIn } from './configs';
import type { Nets } from './adapters/adapter';
import { checkAutoencoder } from './autoencoder-fit';
import { Adapters } from './adapters/adapters';
import type { ModelFiles } from './files';
import type { Headers } from './headers';
import type { NetName } from './roles';
import { Unet } from './unet/unet';
import { type LatentSpace, VaeDecoder, VaeEncoder } from './vae';

/** The parts of a model, made from its nets and configs. */
export interface ModelParts {
  textEncoder: PromptNet;
  unet: Unet;
  /** Undefined when the folder has none: such a model only does txt2img. */
  vaeEncoder?: VaeEncoder;
  vaeDecoder: VaeDecoder;
  /** Which nets of the autoencoder are tiny ones, whose pixel range must be found out. */
  tiny: { encoder: boolean; decoder: boolean };
  vaeScaleFactor: number;
  schedulerConfig: SchedulerConfig;
}

/** The tokenizers of a model's text encoders. */
export type Tokenizers = [first: Tokenizer | undefined, second: Tokenizer | undefined];

/** Rejects with EBADMODEL when the files of one cannot be used. */
export async function loadTokenizers({ tokenizers: [first, second], reach }: ModelFiles): Promise<Tokenizers> {
  for (const folder of [first, second]) for (const file of TOKENIZER_FILES) await reach.check(join(folder, file));
  const tokenizer = await Tokenizer.load(first);
  // Both have the same vocabulary and differ only in their padding, so the first can replace a missing second.
  return [tokenizer, (await Tokenizer.load(second)) ?? tokenizer];
}

/**
 * Assembles a model and checks that its parts fit each other. No net is run, so headers are enough. Throws EBADMODEL when a
 * net is of another kind, or the parts contradict each other.
 *
 * @param nets the headers, or the nets themselves
 * @param adapters whose patches the nets have
 */
export function assemble(files: ModelFiles, headers: Headers, nets: Nets, tokenizers: Tokenizers, adapters = Adapters.none()): ModelParts {
  const config = (name: NetName) => files.nets[name]?.config ?? {};
  const factor = scaleFactor({ ...config('vae_encoder'), ...config('vae_decoder') });
  const unet = new Unet(required(nets, 'unet'), config('unet'), factor, adapters.ports(nets));
  const textEncoder = textEncoderOf(files, nets, tokenizers, unet.takesPooled);
  checkAutoencoder(files, headers, unet.latentChannels, unet.takesPooled);
  // A tiny decoder may be combined with a full encoder: each has its own scale.
  const space = (name: NetName, other: NetName): LatentSpace & { tiny: boolean } => {
    const isFromElsewhere = (each: NetName): boolean => files.autoencoder?.nets[each] !== undefined;
    const isSilent = Object.keys(config(name)).length === 0 && isFromElsewhere(name) === isFromElsewhere(other);
    const own = isSilent ? config(other) : config(name);
    const tiny = isTiny(own, headers[name]?.operators ?? new Set());
    return { ...latentSpace(own, unet.latentChannels, tiny, unet.takesPooled), factor, tiny };
  };
  const decoderSpace = space('vae_decoder', 'vae_encoder');
  const encoderSpace = space('vae_encoder', 'vae_decoder');
  for (const { channels } of [decoderSpace, encoderSpace]) {
    if (channels === unet.latentChannels) continue;
    throw new EngineError(
      'EBADMODEL',
      `unet takes latents of ${unet.latentChannels} channels, but the autoencoder's config says ${channels}: they do not belong to one model`,
    );
  }
  const width = unet.conditioningWidth ?? wholeIn(config('unet'), 'cross_attention_dim', textEncoder.width, 1, LARGEST_WIDTH);
  if (width !== textEncoder.width) {
    throw new EngineError(
      'EBADMODEL',
      `unet takes embeddings of width ${width}, but text_encoder gives ${textEncoder.width}: they do not belong to one model`,
    );
  }
  return {
    textEncoder,
    unet,
    ...(nets.vae_encoder && { vaeEncoder: new VaeEncoder(nets.vae_encoder, encoderSpace) }),
    vaeDecoder: new VaeDecoder(required(nets, 'vae_decoder'), decoderSpace),
    tiny: { encoder: encoderSpace.tiny, decoder: decoderSpace.tiny },
    vaeScaleFactor: factor,
    schedulerConfig: schedulerConfig(files.schedulerConfig),
  };
}

/** One text encoder, or the two that a UNet with an embedding of the whole prompt was trained with. */
function textEncoderOf({ nets: files }: ModelFiles, nets: Nets, [first, second]: Tokenizers, dual: boolean): PromptNet {
  const net = required(nets, 'text_encoder');
  const config = files.text_encoder?.config ?? {};
  if (!dual) return new TextEncoder(net, first, config);
  return new DualTextEncoder(
    new TextEncoder(net, first, config, { hiddenStates: 'penultimate', pooled: false }),
    new TextEncoder(required(nets, 'text_encoder_2'), second, files.text_encoder_2?.config ?? {}, {
      hiddenStates: 'penultimate',
      pooled: true,
    }),
  );
}

function required(nets: Nets, name: NetName): Net {
  const net = nets[name];
  if (net) return net;
  throw new EngineError('ENOMODEL', `the model lacks ${join(name, 'model.onnx')}, which it needs`);
}
