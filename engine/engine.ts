import { DiffusionStream } from './stream/diffusion-stream';
import { EngineError } from './errors';
import { chooseProvider, isAutomatic, recallChoice } from './model/provider-choice';
import { Model, type ModelSettings } from './model/model';
import { SharedUnet } from './stream/shared-unet';
import { SizeTrials, type TrialLimits } from './stream/size-trials';
import type { EngineInfo, EngineOptions, StreamOptions } from './types';

/** A loaded model and the streams that run on it, in this process, whose event loop a running net blocks. */
export class Engine {
  private readonly unet: SharedUnet;
  private readonly trials: SizeTrials;
  private readonly streams = new Set<DiffusionStream>();
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly model: Model,
    limits?: TrialLimits,
  ) {
    this.unet = new SharedUnet(model.unet);
    this.trials = new SizeTrials(model, this.unet, limits);
  }

  /**
   * Loads a model.
   *
   * @throws ENOMODEL, EBADMODEL, ENOPROVIDER, EBADPARAM
   */
  static async load(
    options: EngineOptions,
    {
      limits,
      ...hooks
    }: Pick<ModelSettings, 'onProgress' | 'openNet' | 'arithmetic' | 'adapterKinds' | 'findPicture'> & { limits?: TrialLimits } = {},
  ): Promise<Engine> {
    return new Engine(await Model.load({ ...options, ...hooks, executionProviders: await providersFor(options) }), limits);
  }

  get info(): EngineInfo {
    return this.model.info;
  }

  /** What works but not as wished: a refused execution provider, a slow number format. */
  get warnings(): string[] {
    return this.model.warnings;
  }

  /** @throws EBADPARAM for options that cannot work, ENOMODEL when they need a net that the model lacks, ECLOSED */
  async createStream(options: StreamOptions): Promise<DiffusionStream> {
    this.checkOpen();
    const stream = await DiffusionStream.open(this.model, this.unet, options, (closed) => this.streams.delete(closed), this.trials);
    this.checkOpen();
    this.streams.add(stream);
    return stream;
  }

  /** Closes all streams, then the nets. Calling it again does nothing. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    await Promise.all([...this.streams].map((stream) => stream.close()));
    await this.model.close();
  }

  private checkOpen(): void {
    if (this.closing) throw new EngineError('ECLOSED', 'the engine is closed; load it again');
  }
}

/** `automatic` waits here until every provider has been tried, unless the choice is known already. */
async function providersFor(options: EngineOptions): Promise<string[] | undefined> {
  if (!isAutomatic(options.executionProviders)) return options.executionProviders;
  if (options.server) return ['cpu'];
  return ((await recallChoice(options)) ?? (await chooseProvider(options))).providers;
}
