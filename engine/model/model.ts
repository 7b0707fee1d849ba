import { EngineError } from '../errors';
import { placeOf } from '../net/pool/place';
import { FixedShapeNet, prefersFixedShapes } from '../net/ort/fixed-shape-net';
import { chooseArithmetic } from '../net/ort/arithmetic';
import type { Arithmetic, ArithmeticChoice, Int8Wish } from '../net/ort/arithmetic-kinds';
import type { LocalNet } from '../net/net';
import type { OpenNet } from '../net/pool/net-thread';
import { type OnnxGraph, readOnnxGraph } from '../net/onnx/graph';
import { OnnxNet } from '../net/ort/onnx-net';
import { probeProviders } from '../net/ort/providers';
import { ServerNet } from '../net/server/server-net';
import type { PromptNet } from '../prompt/text-encoder';
import type { SchedulerConfig } from '../diffusion/schedule';
import type { EngineInfo, RawImage, ServerOptions } from '../types';
import type { Adapter, AdapterKind, Nets } from './adapters/adapter';
import { Adapters } from './adapters/adapters';
import { adaptersOnServer } from './adapters-on-server';
import { asServed } from './adapters/served';
import { type FindPicture, PicturePrompts } from './adapters/picture-prompts';
import { findFiles, missingNets, modelFolder } from './files';
import { openPatched, patchesFor } from './graph-patches';
import { type Headers, readHeaders } from './headers';
import type { NetFiles } from './layouts';
import { limitOf, notesOn } from './notes';
import { assemble, loadTokenizers, type ModelParts } from './parts';
import { findPixelRange } from './pixel-range';
import { isNetName, netNames, type NetRole, type PerRole } from './roles';
import { netsOnServer, openOnServer } from './server-nets';
import type { Unet } from './unet/unet';
import type { VaeDecoder, VaeEncoder } from './vae';

/** The progress of loading, which takes from a second to minutes: the net that is being opened, and the bytes loaded. */
export interface LoadProgress {
  net: string;
  loadedBytes: number;
  totalBytes: number;
}

/** A net that is about to be opened. */
export interface OpeningNet {
  name: NetRole;
  executionProvider: string;
  /** The size of all nets of the model together. */
  totalBytes: number;
}

export interface ModelSettings {
  /** A model folder in the diffusers ONNX layout, or `'starter'`. */
  model: string;
  /** ONNX Runtime execution providers, such as `cuda` or `cuda:1`; the first that works is used. Default `['cpu']`. */
  executionProviders?: string[];
  /** Threads per net. Default: the number of physical cores. */
  intraOpNumThreads?: number;
  /** Opens a net, for example in a thread of its own. Default: in the calling thread. */
  openNet?: (net: OpeningNet) => OpenNet;
  /** Whether nets are opened separately for every picture size. Default: on providers that compile whole graphs. */
  fixedShapes?: boolean;
  /** Whether nets compute in int8 where their folder has an int8.json, on the CPU. Default `'auto'`: where that is exact and measured to be faster. */
  int8?: Int8Wish;
  /** Replaces the choice that would be made by trying. */
  arithmetic?: Arithmetic;
  /** The nets that run on an inference server instead of here. */
  server?: ServerOptions;
  /** The paths of adapters, by name. */
  adapters?: Record<string, string>;
  /** The known kinds of adapters. Default: all kinds of this package. */
  adapterKinds?: readonly AdapterKind[];
  /** Gets a picture that a prompt only names. Default: there is none. */
  findPicture?: FindPicture;
  /** A folder whose autoencoder replaces the model's, such as a tiny one. */
  autoencoder?: string;
  /** Called before each net is opened, which blocks the thread, and once more when all are open. */
  onProgress?: (progress: LoadProgress) => void;
}

/** A latent diffusion model: its nets, ready to be called, and the facts about them. */
export class Model {
  readonly info: EngineInfo;
  readonly schedulerConfig: SchedulerConfig;
  readonly textEncoder: PromptNet;
  readonly unet: Unet;
  /** Undefined when the folder has none: such a model only does txt2img. */
  readonly vaeEncoder?: VaeEncoder;
  readonly vaeDecoder: VaeDecoder;
  /** The number of its nets that can run in parallel. */
  readonly concurrency: number;
  readonly adapters: readonly Adapter[];
  readonly picturePrompts: PicturePrompts;

  private constructor(
    model: string,
    executionProvider: string,
    parts: ModelParts,
    private readonly nets: Nets,
    adapters: Adapters,
    arithmetic: ArithmeticChoice | undefined,
    findPicture: FindPicture | undefined,
    /** Things that work, but not as requested or not as well as they could, in sentences. */
    readonly warnings: string[],
  ) {
    this.schedulerConfig = parts.schedulerConfig;
    this.textEncoder = parts.textEncoder;
    this.unet = parts.unet;
    if (parts.vaeEncoder) this.vaeEncoder = parts.vaeEncoder;
    this.vaeDecoder = parts.vaeDecoder;
    this.adapters = adapters.all;
    this.picturePrompts = new PicturePrompts(adapters.all, nets, findPicture);
    this.concurrency = concurrencyOf(nets);
    this.info = {
      model,
      executionProvider,
      vaeScaleFactor: parts.vaeScaleFactor,
      latentChannels: parts.unet.latentChannels,
      predictionType: parts.schedulerConfig.predictionType,
      ...(arithmetic && { arithmetic }),
      adapters: adapters.info,
    };
  }

  /**
   * Opens a model folder.
   *
   * Rejects with ENOMODEL (no folder, or a net is missing), EBADMODEL (a file is torn, unknown or contradicts another, or
   * a server has another model), ENOPROVIDER, or ENETWORK, ETIMEOUT, EDENIED (a server); nothing stays open then.
   */
  static async load(settings: ModelSettings): Promise<Model> {
    const files = await findFiles(modelFolder(settings.model), settings.autoencoder);
    const missing = missingNets(files);
    if (missing.length > 0) throw new EngineError('ENOMODEL', `${files.folder} lacks ${missing.join(', ')}, which every model needs`);
    const tokenizers = await loadTokenizers(files);
    const ofModel = await readHeaders(files);
    const notes = notesOn(assemble(files, ofModel, ofModel, tokenizers, Adapters.none(settings.adapterKinds)), ofModel);
    const found = await Adapters.open(settings.adapters, { files, headers: ofModel }, settings.adapterKinds, notes);
    const { adapters, note } = await adaptersOnServer(settings.model, { files, headers: ofModel }, found, settings.server);
    if (note) notes.push(note);
    const further = await adapters.nets();
    const headers = { ...ofModel, ...further.headers };
    const elsewhere = netsOnServer(settings.server);
    const here = Object.fromEntries(Object.entries(headers).filter(([name]) => !(isNetName(name) && elsewhere.has(name))));
    // Where every net runs on a server, this machine needs no ONNX Runtime.
    const isIdle = Object.keys(here).length === 0;
    const { provider, refused } = isIdle
      ? { provider: 'server', refused: [] }
      : await probeProviders(settings.executionProviders ?? ['cpu'], limitOf(here));
    const nets: Nets = {};
    const roundable = provider === 'cpu' && netNames.some((name) => name in here && files.nets[name]?.ranges);
    const arithmetic = roundable ? await arithmeticFor(settings) : undefined;
    try {
      const all = { ...files.nets, ...further.files };
      await openNets(all, headers, nets, provider, adapters, { ...settings, arithmetic: arithmetic?.arithmetic }, notes);
      const parts = assemble(files, headers, nets, tokenizers, adapters);
      const { vaeEncoder: encoder, vaeDecoder: decoder, tiny, vaeScaleFactor: factor } = parts;
      await findPixelRange({ encoder, decoder, tiny, channels: parts.unet.latentChannels, factor });
      const warnings = [...refused.map((one) => `${one.provider} does not work here: ${one.reason}`), ...notes];
      warnings.push(...Object.values(nets).flatMap((net) => (net instanceof ServerNet ? net.warnings : [])));
      const slow = provider === 'cpu' && here.unet?.isHalf;
      if (slow) warnings.push('This is a float16 model: on cpu its float32 export runs about twice as fast.');
      const remote = [...elsewhere].filter((name) => nets[name]);
      return new Model(
        settings.model,
        isIdle || remote.length === 0 ? provider : `${provider}, ${remote.join(' and ')} on a server`,
        parts,
        nets,
        adapters,
        arithmetic,
        settings.findPicture,
        warnings,
      );
    } catch (thrown) {
      await closeAll(nets);
      throw thrown;
    }
  }

  /** @throws ENOMODEL where there is none */
  requireEncoder(): VaeEncoder {
    if (this.vaeEncoder) return this.vaeEncoder;
    throw new EngineError(
      'ENOMODEL',
      `${this.info.model} has no vae_encoder, which img2img needs; use txt2img, or add vae_encoder/model.onnx`,
    );
  }

  /** Prepares a frame's picture by its adapter, for the rows of this frame and of coming frames. */
  async prepare(adapter: Adapter, picture: RawImage, frames = 1): Promise<unknown> {
    return adapter.prepare ? adapter.prepare(picture, this.nets, frames) : picture;
  }

  /** Closes all nets. Calls under way end first; later ones reject with ECLOSED. */
  close(): Promise<void> {
    return closeAll(this.nets);
  }
}

/** Opens all nets into `nets`, so that the caller can close them if a later one fails. */
async function openNets(
  files: PerRole<NetFiles>,
  headers: Headers,
  nets: Nets,
  executionProvider: string,
  adapters: Adapters,
  settings: ModelSettings,
  notes: string[],
): Promise<void> {
  const elsewhere = netsOnServer(settings.server);
  const {
    intraOpNumThreads,
    onProgress,
    openNet = () => OnnxNet.load,
    fixedShapes = prefersFixedShapes(executionProvider),
    arithmetic = 'float32',
  } = settings;
  const all = Object.entries(files) as [name: NetRole, net: NetFiles][];
  const totalBytes = all.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  let loadedBytes = 0;
  for (const [name, net] of all) {
    onProgress?.({ net: name, loadedBytes, totalBytes });
    const header = headers[name];
    const ofAdapters = isNetName(name) ? adapters.patches(name, executionProvider) : [];
    if (settings.server && header && isNetName(name) && elsewhere.has(name)) {
      nets[name] = await openOnServer(settings.model, name, net, await asServed(header, net.path, ofAdapters), settings.server);
    } else {
      const open = (source: string | OnnxGraph): Promise<LocalNet> =>
        openNet({ name, executionProvider, totalBytes })(source, { executionProvider, intraOpNumThreads }, net.path);
      const openGraph = async (graph: OnnxGraph | undefined): Promise<LocalNet> =>
        fixedShapes ? FixedShapeNet.load(graph ?? (await readOnnxGraph(net.path)), open) : open(graph ?? net.path);
      const patches = patchesFor({ name, executionProvider, arithmetic }, net, header?.isHalf ?? false, ofAdapters);
      nets[name] = await openPatched(patches, net, header, openGraph, notes);
    }
    loadedBytes += net.bytes;
  }
  onProgress?.({ net: all.at(-1)?.[0] ?? '', loadedBytes, totalBytes });
}

async function arithmeticFor({ int8 = 'auto', arithmetic }: ModelSettings): Promise<ArithmeticChoice> {
  return arithmetic ? { arithmetic, reason: 'as asked' } : chooseArithmetic(int8);
}

/** Nets on a server run in parallel with those on this machine: the UNet, and the autoencoder. */
function concurrencyOf(nets: Nets): number {
  const here = Object.values(nets).filter((net) => !(net instanceof ServerNet));
  const there = [nets.unet, nets.vae_decoder].filter((net) => net instanceof ServerNet);
  return Math.max(0, ...here.map((net) => placeOf(net).concurrency)) + there.length;
}

async function closeAll(nets: Nets): Promise<void> {
  await Promise.all(Object.values(nets).map((net) => net.close()));
}
