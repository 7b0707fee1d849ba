import type { LatentShape } from '../diffusion/latent';
import type { DenoisedFrame } from '../diffusion/stream-batch';
import { toThumbnail } from '../image/pixels';
import type { Model } from '../model/model';
import type { Output, RawImage } from '../types';
import { checkFinite } from '../util/finite';
import type { Frame } from './frame';
import { composed } from './paint-mask';
import type { Probe } from './transition-probes';

/** Decodes finished latents into pictures: frames and probes of one stream. */
export class FrameDecoder {
  /** Settles when the pictures of all calls until now have been decoded or have failed. */
  private rendered: Promise<void> = Promise.resolve();
  /** Settles when all probes until now have been decoded or have failed. */
  private sampled: Promise<unknown> = Promise.resolve();

  constructor(private readonly model: Model) {}

  /**
   * Decodes frames in parallel with those of earlier calls, but never resolves before them.
   *
   * @throws EBADMODEL when a latent or a picture holds NaN
   */
  async render(finished: readonly DenoisedFrame<Frame>[]): Promise<Output[]> {
    const outputs = Promise.all(finished.map((each) => this.output(each)));
    const before = this.rendered;
    this.rendered = Promise.allSettled([outputs, before]).then(() => undefined);
    await this.rendered;
    return outputs;
  }

  /** Decodes a probe and adds its picture to its transition. Failures are ignored: a frame will report what is wrong. */
  sample({ way, position, shape }: Probe, latent: Float32Array): void {
    const sampling = this.decode(latent, shape).then((image) => way.path.add(position, [latent, toThumbnail(image)]));
    this.sampled = Promise.allSettled([this.sampled, sampling]);
  }

  /** Resolves when everything that was started has ended. */
  async idle(): Promise<void> {
    await Promise.all([this.rendered, this.sampled]);
  }

  private async output({ frame, latent }: DenoisedFrame<Frame>): Promise<Output> {
    const { id, seed, enteredAt, shape, masked } = frame;
    const decoded = await this.decode(latent, shape);
    const image = masked ? composed(decoded, masked.incoming, masked.mask) : decoded;
    return { id, image, latent, latencyMs: performance.now() - enteredAt, ...(seed !== undefined && { seed }) };
  }

  private async decode(latent: Float32Array, { height, width }: LatentShape): Promise<RawImage> {
    checkFinite(latent, 'the UNet');
    return this.model.vaeDecoder.decodePicture(latent, height, width);
  }
}
