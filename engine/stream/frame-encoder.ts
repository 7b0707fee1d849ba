import { EngineError } from '../errors';
import { decode } from '../image/codec';
import { imageFeedback } from '../image/image-feedback';
import { toThumbnail } from '../image/pixels';
import type { Model } from '../model/model';
import { mixLatent } from '../diffusion/latent-feedback';
import { lowerStrength, MotionMeter } from '../diffusion/motion';
import type { ResolvedOptions } from '../diffusion/options';
import type { LatentShape } from '../diffusion/stream-batch';
import type { RawImage } from '../types';

/**
 * What becomes of a frame's picture before it enters the batch: it takes in what the loops back want of what was finished
 * last, and becomes a latent.
 */
export class FrameEncoder {
  private readonly motion = new MotionMeter();
  private lastImage: RawImage | undefined;
  private lastLatent: { latent: Float32Array; shape: LatentShape } | undefined;

  constructor(private readonly model: Model) {}

  // Copies: whoever gets what is finished may draw on it.

  /** A latent that has been finished, [C, h, w]. */
  denoised(latent: Float32Array, shape: LatentShape): void {
    this.lastLatent = { latent: latent.slice(), shape };
  }

  /** A picture that has been finished. */
  rendered(image: RawImage): void {
    this.lastImage = { ...image, data: image.data.slice() };
  }

  /** Nothing was finished yet, and nothing has moved. */
  restart(): void {
    this.motion.restart();
    this.lastImage = undefined;
    this.lastLatent = undefined;
  }

  /**
   * Where that is wanted, with less noise while the scene moves.
   *
   * @throws EBADFRAME when there is no picture
   */
  forMotion(options: ResolvedOptions, image: RawImage | undefined): ResolvedOptions {
    const { mode, motionNoise, tIndexList, numInferenceSteps } = options;
    if (motionNoise === 0 || mode !== 'img2img') return options;
    checkImage(image);
    const motion = this.motion.measure(toThumbnail(image));
    return { ...options, tIndexList: lowerStrength(tIndexList, motionNoise * motion, numInferenceSteps) };
  }

  /**
   * The clean latent of a picture, [C, h, w], with as much of what was finished last as the loops back want.
   *
   * @throws EBADFRAME when there is no picture
   */
  async encode(image: RawImage | undefined, options: ResolvedOptions): Promise<Float32Array> {
    const { width, height, latentFeedback } = options;
    checkImage(image);
    const fits = image.width === width && image.height === height;
    const picture = this.withLast(fits ? image : await decode({ kind: 'raw', ...image }, width, height), options);
    const latent = await this.model.requireEncoder().encodePicture(picture);
    const last = this.lastLatent;
    const factor = this.model.info.vaeScaleFactor;
    const fitsLast = last && last.shape.width * factor === width && last.shape.height * factor === height;
    return latentFeedback > 0 && fitsLast ? mixLatent(latent, last.latent, latentFeedback) : latent;
  }

  /**
   * A latent that comes in the place of a picture; undefined for none.
   *
   * @throws EBADPARAM when it is none of this shape
   */
  given(latent: Float32Array | undefined, { height, width }: LatentShape): Float32Array | undefined {
    if (latent === undefined) return undefined;
    const dims = [this.model.info.latentChannels, height, width];
    const length = dims[0] * dims[1] * dims[2];
    if (!(latent instanceof Float32Array) || latent.length !== length) {
      throw new EngineError(
        'EBADPARAM',
        `latent must be a Float32Array of ${length} values, [${dims.join(', ')}]; got ${latent?.length ?? typeof latent}`,
      );
    }
    return latent.slice();
  }

  private withLast(image: RawImage, { feedback, feedbackZoom, feedbackRotate, feedbackX, feedbackY }: ResolvedOptions): RawImage {
    const { lastImage } = this;
    if (feedback === 0 || lastImage?.width !== image.width || lastImage.height !== image.height) return image;
    return imageFeedback(image, lastImage, feedback, { zoom: feedbackZoom, rotate: feedbackRotate, x: feedbackX, y: feedbackY });
  }
}

function checkImage(image: RawImage | undefined): asserts image is RawImage {
  const { data, width = 0, height = 0, channels } = image ?? {};
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (data instanceof Uint8Array && whole && channels === 3 && data.length === width * height * 3) return;
  const got = image ? `${data?.length} bytes for ${width}x${height}x${channels}` : 'no image';
  throw new EngineError(
    'EBADFRAME',
    `img2img needs an image { data: Uint8Array of width*height*3 bytes, width, height, channels: 3 }; got ${got}`,
  );
}
