import { EngineError, type ErrorCode } from './errors';
import type { Model } from './model/model';
import { Recent } from './recent';
import type { SharedUnet } from './shared-unet';
import { needsNegativePass } from './stream/guidance';
import { type ResolvedOptions, resolveOptions } from './stream/options';
import { Setups, type StreamSetup } from './stream/setup';
import type { StreamOptions } from './types';

/** Pictures of so many sizes are known to work, or are tried again. */
const SIZES_KEPT = 16;
/** What can go wrong in a first run whatever the picture size. */
const NOT_THE_SIZE = new Set<ErrorCode>(['ENOMODEL', 'ENETWORK', 'ETIMEOUT', 'EDENIED', 'ECLOSED']);

/** The setups of a stream, each with the proof that the model works under it. */
export class ReadySetups {
  private readonly setups: Setups;
  private readonly sizes = new Recent<true>(SIZES_KEPT);

  constructor(
    private readonly model: Model,
    private readonly unet: SharedUnet,
  ) {
    this.setups = new Setups(model.info, model.schedulerConfig);
  }

  /** @throws EBADPARAM for options that cannot work, ENOMODEL when they need a net that the model lacks */
  check(options: StreamOptions): ResolvedOptions {
    const resolved = resolveOptions(options, this.model.info.vaeScaleFactor);
    if (resolved.mode === 'img2img') this.model.requireEncoder();
    return resolved;
  }

  /** Of options whose picture size is known to work. */
  get(options: ResolvedOptions): StreamSetup {
    return this.setups.get(options);
  }

  /** Of any options. Those of a new picture size are tried with one run of every net, which compiles or allocates now and not at the first frame. */
  async prepare(options: StreamOptions): Promise<StreamSetup> {
    const setup = this.setups.get(this.check(options));
    const size = `${setup.shape.width}x${setup.shape.height}`;
    if (!this.sizes.get(size)) await this.warmUp(setup);
    this.sizes.set(size, true);
    return setup;
  }

  /** @throws EBADPARAM when the nets do not work at this size */
  private async warmUp({ shape, options, denoising }: StreamSetup): Promise<void> {
    const { model } = this;
    const { latentChannels, vaeScaleFactor } = model.info;
    const [height, width] = [shape.height * vaeScaleFactor, shape.width * vaeScaleFactor];
    const sample = new Float32Array(latentChannels * shape.height * shape.width);
    try {
      if (options.mode === 'img2img') await model.requireEncoder().encode(new Float32Array(3 * height * width), height, width);
      const conditioning = await model.textEncoder.blank();
      const row = { sample, shape, timestep: denoising.steps[0].timestep, conditioning, guidance: 0 };
      const rows = denoising.steps.reduce((count, _, step) => count + (needsNegativePass(denoising, step) ? 2 : 1), 0) * options.frameBufferSize;
      await this.unet.predict(new Array<typeof row>(model.unet.rowsToWarmUp(rows)).fill(row));
      await model.vaeDecoder.decode(sample, shape.height, shape.width);
    } catch (thrown) {
      if (thrown instanceof EngineError && NOT_THE_SIZE.has(thrown.code)) throw thrown;
      throw new EngineError('EBADPARAM', `this model does not work at ${width}x${height}: ${(thrown as Error).message}`, { cause: thrown });
    }
  }
}
