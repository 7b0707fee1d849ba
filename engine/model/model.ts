import { join } from 'node:path';
import { EngineError } from '../errors';
import type { Net } from '../net/net';
import { OnnxNet } from '../net/onnx-net';
import { probeProviders } from '../net/providers';
import { TextEncoder } from '../prompt/text-encoder';
import { Tokenizer } from '../prompt/tokenizer';
import type { SchedulerConfig } from '../stream/schedule';
import type { EngineInfo } from '../types';
import { latentSpace, schedulerConfig } from './configs';
import { modelPath, netNames, readFolder, type ModelFolder, type NetName } from './folder';
import { Unet } from './unet';
import { VaeDecoder, VaeEncoder } from './vae';

/** Loading takes from seconds to minutes: which net is being opened, and how far that makes it. */
export interface LoadProgress {
  net: string;
  loadedBytes: number;
  totalBytes: number;
}

export interface ModelSettings {
  /** A model folder in the diffusers ONNX layout, or `'starter'`. */
  model: string;
  /** By preference. Default `['cpu']`. */
  executionProviders?: string[];
  intraOpNumThreads?: number;
  /** Called before each net is opened, and once at the end with everything loaded. */
  onProgress?: (progress: LoadProgress) => void;
}

type Nets = Partial<Record<NetName, Net>>;

/** A latent diffusion model: its nets, ready to be called, and the facts about them. */
export class Model {
  readonly info: EngineInfo;
  readonly schedulerConfig: SchedulerConfig;
  readonly textEncoder: TextEncoder;
  readonly unet: Unet;
  /** Undefined when the folder has none: such a model only does txt2img. */
  readonly vaeEncoder?: VaeEncoder;
  readonly vaeDecoder: VaeDecoder;

  private constructor(
    model: string,
    folder: ModelFolder,
    executionProvider: string,
    tokenizer: Tokenizer | undefined,
    private readonly nets: Nets,
    /** What works, but not as well as it could. */
    readonly warnings: string[],
  ) {
    const { text_encoder, unet, vae_encoder, vae_decoder } = nets;
    if (!text_encoder || !unet || !vae_decoder) throw new Error('a required net was not loaded');
    const configs = (name: NetName) => folder.nets[name]?.config ?? {};
    const space = latentSpace(configs('vae_decoder'), configs('vae_encoder'));
    this.schedulerConfig = schedulerConfig(folder.schedulerConfig);
    this.textEncoder = new TextEncoder(text_encoder, tokenizer, configs('text_encoder'));
    this.unet = new Unet(unet, configs('unet'), space.factor);
    const latents = { ...space, channels: this.unet.latentChannels };
    if (vae_encoder) this.vaeEncoder = new VaeEncoder(vae_encoder, latents);
    this.vaeDecoder = new VaeDecoder(vae_decoder, latents);
    const { width } = this.textEncoder;
    const { conditioningWidth } = this.unet;
    if (conditioningWidth !== undefined && width !== conditioningWidth) {
      throw new EngineError('EBADMODEL', `text_encoder gives embeddings of width ${width}, but unet takes ${conditioningWidth}: they are not of one model`);
    }
    if (this.unet.oneTimestep) warnings.push('this unet knows one timestep a run, so frames at different steps run one after the other; a re-export with a timestep per row would be faster');
    if (executionProvider === 'cpu' && [unet, vae_decoder].some((net) => net.inputs.some(({ type }) => type === 'float16'))) {
      warnings.push('this is a float16 model: on cpu a float32 export runs about twice as fast');
    }
    this.info = {
      model,
      executionProvider,
      vaeScaleFactor: space.factor,
      latentChannels: this.unet.latentChannels,
      predictionType: this.schedulerConfig.predictionType,
    };
  }

  /**
   * Opens a model folder.
   *
   * Rejects with ENOMODEL (no folder, or a net is missing), EBADMODEL (a file is torn or contradicts another) or
   * ENOPROVIDER; nothing stays open then.
   */
  static async load({ model, executionProviders = ['cpu'], intraOpNumThreads, onProgress }: ModelSettings): Promise<Model> {
    const folder = await readFolder(modelPath(model));
    requireNets(folder);
    const tokenizer = await Tokenizer.load(join(folder.path, 'tokenizer'));
    const { provider, refused } = await probeProviders(executionProviders);
    const warnings = refused.map((one) => `${one.provider} does not work here: ${one.reason}`);
    const nets: Nets = {};
    try {
      const totalBytes = netNames.reduce((sum, name) => sum + (folder.nets[name]?.bytes ?? 0), 0);
      let loadedBytes = 0;
      for (const name of netNames) {
        const files = folder.nets[name];
        if (!files) continue;
        onProgress?.({ net: name, loadedBytes, totalBytes });
        nets[name] = await OnnxNet.load(files.path, { executionProvider: provider, intraOpNumThreads });
        loadedBytes += files.bytes;
      }
      onProgress?.({ net: 'vae_decoder', loadedBytes, totalBytes });
      return new Model(model, folder, provider, tokenizer, nets, warnings);
    } catch (thrown) {
      await closeAll(nets);
      throw thrown;
    }
  }

  /** Closes all nets. Calls under way end first; later ones reject with ECLOSED. */
  close(): Promise<void> {
    return closeAll(this.nets);
  }
}

async function closeAll(nets: Nets): Promise<void> {
  await Promise.all(Object.values(nets).map((net) => net.close()));
}

function requireNets({ path, nets }: ModelFolder): void {
  for (const name of ['text_encoder', 'unet', 'vae_decoder'] as const) {
    if (!nets[name]) throw new EngineError('ENOMODEL', `${path} lacks ${join(name, 'model.onnx')}; a model needs text_encoder, unet and vae_decoder`);
  }
}
