import { EngineError } from '../errors';
import { decode } from '../image/codec';
import { imageFeedback } from '../image/image-feedback';
import { quote } from '../util/quote';
import { toThumbnail } from '../image/pixels';
import type { Adapter } from '../model/adapters/adapter';
import type { Model } from '../model/model';
import { mixLatent } from '../diffusion/latent-feedback';
import { lowerStrength, MotionMeter } from '../diffusion/motion';
import type { ResolvedOptions } from '../diffusion/options';
import type { LatentShape } from '../diffusion/latent';
import type { StreamSetup } from '../diffusion/setup';
import type { Pictures } from '../diffusion/stream-batch';
import type { RawImage, StreamOptions } from '../types';
import { SharedPictures } from './shared-pictures';
import { composed, composedLatent, type PaintMask, paintMask } from './paint-mask';

/** The names of pictures that belong to no adapter: the frame itself, and its mask. */
export const OWN_PICTURES: readonly string[] = ['image', 'mask'];

/** The mask of a frame that is denoised in part. */
export interface Masked {
  mask: PaintMask;
  /** The frame's picture at the stream's size. */
  incoming: RawImage;
}

/**
 * Encodes a frame's picture before it enters the batch, mixed with the last finished frame as the stream's feedback settings say.
 */
export class FrameEncoder {
  private readonly motion = new MotionMeter();
  private lastImage: RawImage | undefined;
  private lastLatent: { latent: Float32Array; shape: LatentShape } | undefined;
  private readonly shared = new SharedPictures();

  constructor(private readonly model: Model) {}

  /** Takes a finished latent, [C, h, w], for feedback. It is copied, since its receiver may change it. */
  denoised(latent: Float32Array, shape: LatentShape): void {
    this.lastLatent = { latent: latent.slice(), shape };
  }

  /** Takes a finished picture for feedback. Nobody may change it before {@link handOut}. */
  rendered(image: RawImage): void {
    this.lastImage = image;
  }

  /** Called before finished pictures are returned to callers, who may change them. */
  handOut(): void {
    if (this.lastImage) this.lastImage = { ...this.lastImage, data: new Uint8Array(this.lastImage.data) };
  }

  /** Forgets finished frames, and how much the scene moved. */
  restart(): void {
    this.motion.restart();
    this.lastImage = undefined;
    this.lastLatent = undefined;
    this.shared.restart();
  }

  /**
   * The options of a frame. With `motionNoise`, there is less noise while the scene moves.
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
   * The clean latent of a picture, [C, h, w], mixed with the last finished frame as the feedback settings say, but only where the
   * mask is white.
   *
   * @param mask undefined for the whole frame
   * @param isOurs whether nobody needs the picture's bytes afterwards
   * @throws EBADFRAME when there is no picture
   */
  async encode(image: RawImage | undefined, options: ResolvedOptions, mask?: PaintMask, isOurs = false): Promise<Float32Array> {
    const { width, height, latentFeedback } = options;
    checkImage(image);
    const incoming = await fitted(image, options);
    const looped = this.withLast(incoming, options);
    const picture = mask && looped !== incoming ? composed(looped, incoming, mask) : looped;
    const latent = await this.model.requireEncoder().encodePicture(picture, isOurs || picture !== image);
    const last = this.lastLatent;
    const factor = this.model.info.vaeScaleFactor;
    const fitsLast = last && last.shape.width * factor === width && last.shape.height * factor === height;
    if (latentFeedback === 0 || !fitsLast) return latent;
    const mixed = mixLatent(latent, last.latent, latentFeedback);
    return mask ? composedLatent(mixed, latent, mask) : mixed;
  }

  /**
   * The mask of a frame, and the picture that stays where it is black; undefined where the whole frame is denoised.
   *
   * @throws EBADFRAME when the mask or the frame is not a picture
   */
  async masked(image: RawImage | undefined, mask: RawImage | undefined, { options, shape }: StreamSetup): Promise<Masked | undefined> {
    if (mask === undefined || options.mode !== 'img2img') return undefined;
    checkImage(image);
    checkImage(mask, 'pictures.mask');
    const where = paintMask(await fitted(mask, options), options.maskFeather, shape);
    if (!where) return undefined;
    const incoming = await fitted(image, options);
    // Copied, since the sender may change it while the frame is in flight, or the encoder's thread takes it. A Buffer's slice() would not copy.
    return { mask: where, incoming: { ...incoming, data: new Uint8Array(incoming.data) } };
  }

  /** The names of the pictures that may come with frames, including those of prompts. */
  get known(): string[] {
    const adapters = this.model.adapters.filter(({ picture }) => picture !== undefined);
    return [...OWN_PICTURES, ...adapters.map(({ name }) => name)];
  }

  /** The names of the pictures that a frame is rendered from under these options. */
  wanted({ mode, weights = {} }: StreamOptions): string[] {
    const adapters = this.ofAdapters.filter(({ name }) => weights[name] !== 0);
    return [...(mode === 'img2img' ? OWN_PICTURES : []), ...adapters.map(({ name }) => name)];
  }

  /**
   * A frame's pictures, prepared by the adapters that use them, by the adapters' names.
   *
   * @throws EBADPARAM for a picture that no adapter wants, EBADFRAME for what is not a picture
   */
  async forAdapters(pictures: Record<string, RawImage>, options: ResolvedOptions): Promise<Pictures> {
    const { known } = this;
    const stranger = Object.keys(pictures).find((name) => !known.includes(name));
    if (stranger !== undefined) throw new EngineError('EBADPARAM', strangePicture(stranger, known));
    const wanted = this.wanted(options);
    const prepared: Record<string, unknown> = {};
    for (const adapter of this.ofAdapters) {
      const { name } = adapter;
      const picture = pictures[name];
      if (picture === undefined || !wanted.includes(name)) {
        this.shared.forget(name);
        continue;
      }
      checkImage(picture, `pictures.${name}`);
      prepared[name] = await this.shared.of(adapter, options, async (frames) =>
        this.model.prepare(adapter, await fitted(picture, options), frames),
      );
    }
    return prepared;
  }

  private get ofAdapters(): Adapter[] {
    return this.model.adapters.filter(({ picture }) => picture === 'frame');
  }

  /**
   * Checks a latent that is given instead of a picture; undefined for none.
   *
   * @throws EBADPARAM when it does not have this shape
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

/** The message for a picture that no adapter uses. */
export function strangePicture(name: string, known: readonly string[]): string {
  const others = known.filter((each) => !OWN_PICTURES.includes(each));
  const there = others.length > 0 ? `there are pictures for ${others.join(', ')}` : 'this engine has no adapter that wants one';
  return `pictures: no adapter wants a picture called ${quote(name)}; ${there}`;
}

/** An image scaled to the stream's size. */
async function fitted(image: RawImage, { width, height }: ResolvedOptions): Promise<RawImage> {
  return image.width === width && image.height === height ? image : decode({ kind: 'raw', ...image }, width, height);
}

function checkImage(image: RawImage | undefined, name = 'img2img'): asserts image is RawImage {
  const { data, width = 0, height = 0, channels } = image ?? {};
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (data instanceof Uint8Array && whole && channels === 3 && data.length === width * height * 3) return;
  const got = image ? `${data?.length} bytes for ${width}x${height}x${channels}` : 'no image';
  throw new EngineError(
    'EBADFRAME',
    `${name} needs an image { data: Uint8Array of width*height*3 bytes, width, height, channels: 3 }; got ${got}`,
  );
}
