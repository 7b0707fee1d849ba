import { EngineError } from '../errors';
import { checkFinite } from '../util/finite';
import type { PixelRange } from '../image/brightness';
import { toImage, toTensor } from '../image/pixels';
import type { Net, Tensor, TensorInfo } from '../net/net';
import { type Place, placeOf } from '../net/pool/place';
import { floatsOf, PIXEL_STRIDE, tensorOf } from '../net/tensor';
import type { RawImage } from '../types';
import { checkDims, fixed, fixedSize, pick, stack, unstack } from './rows';

/** How latents relate to pictures, and to what the nets of an autoencoder give and take. */
export interface LatentSpace {
  channels: number;
  /** Picture size ÷ latent size. */
  factor: number;
  /** z = (x − shift)·scale, where x is the net's and z the diffusion model's. */
  scale: number;
  shift: number;
}

/** Pictures to latents. */
export class VaeEncoder {
  /** What the net takes, -1..1 as from diffusers or 0..1 as from the authors of TAESD; `encode` takes -1..1 in any case. */
  range: PixelRange = '-1..1';
  readonly place: Place;
  private readonly input: TensorInfo;
  private readonly output: TensorInfo;

  /** Throws EBADMODEL when the net's channels contradict the latent space. */
  constructor(
    private readonly net: Net,
    private readonly space: LatentSpace,
  ) {
    this.place = placeOf(net);
    this.input = pick('vae_encoder', net.inputs, 'input', ['sample', 'pixel_values', 'image']);
    this.output = pick('vae_encoder', net.outputs, 'output', ['latent_parameters', 'latent_sample', 'latent', 'latents']);
    const { channels } = space;
    const given = fixed(this.output.shape[1]) ?? channels;
    if (given !== channels && given !== 2 * channels) {
      throw new EngineError('EBADMODEL', `vae_encoder gives ${given} channels, but the unet takes latents of ${channels}`);
    }
  }

  /** The picture size that the export fixed, [H, W]. */
  get size(): [number, number] | undefined {
    return fixedSize(this.input.shape);
  }

  /**
   * @param pixels [3, H, W] in -1..1
   * @returns the scaled latent, [C, H/factor, W/factor]. Of a distribution it is the mean: a sample would flicker.
   */
  async encode(pixels: Float32Array, height: number, width: number): Promise<Float32Array> {
    const dims = this.dims(height, width);
    const given = this.range === '-1..1' ? pixels : pixels.map((value) => (value + 1) / 2);
    const outputs = await this.net.run({ [this.input.name]: tensorOf(this.input.type, stack([given], dims[0]), dims) });
    return this.latentOf(outputs[this.output.name], height, width);
  }

  /** The same for a picture; where the net takes bytes, its numbers are made beside it. */
  async encodePicture(image: RawImage): Promise<Float32Array> {
    const { height, width, data } = image;
    const dims = this.dims(height, width);
    if (!this.net.runPixels || dims[0] !== 1) return this.encode(toTensor(image), height, width);
    const { name } = this.input;
    const outputs = await this.net.runPixels({ [name]: { type: 'pixels', data, dims } }, { name, range: this.range });
    return this.latentOf(outputs[this.output.name] as Tensor, height, width);
  }

  private dims(height: number, width: number): number[] {
    const dims = [fixed(this.input.shape[0]) ?? 1, 3, height, width];
    checkDims('vae_encoder', this.input, dims, 1);
    return dims;
  }

  private latentOf(output: Tensor, height: number, width: number): Float32Array {
    const { channels, factor, scale, shift } = this.space;
    const { dims: got } = output;
    const [h, w] = [height / factor, width / factor];
    if (got[2] !== h || got[3] !== w) throw wrongSize('vae_encoder', got, [h, w]);
    // Mean, then log variance: the mean is the first half of the channels. An export for several pictures has copies behind it.
    const mean = floatsOf(output).subarray(0, channels * h * w);
    return mean.map((value) => (value - shift) * scale);
  }
}

/** Latents to pictures. */
export class VaeDecoder {
  /** What the net gives; `decode` gives -1..1 in any case. */
  range: PixelRange = '-1..1';
  private readonly input: TensorInfo;
  private readonly output: TensorInfo;

  /** Throws EBADMODEL when the net's channels contradict the latent space. */
  constructor(
    private readonly net: Net,
    private readonly space: LatentSpace,
  ) {
    this.input = pick('vae_decoder', net.inputs, 'input', ['latent_sample', 'latent', 'latents']);
    this.output = pick('vae_decoder', net.outputs, 'output', ['sample', 'image', 'images']);
    const taken = fixed(this.input.shape[1]) ?? space.channels;
    if (taken !== space.channels) {
      throw new EngineError('EBADMODEL', `vae_decoder takes latents of ${taken} channels, but the unet gives ${space.channels}`);
    }
  }

  /** The latent size that the export fixed, [h, w]. */
  get size(): [number, number] | undefined {
    return fixedSize(this.input.shape);
  }

  /**
   * @param latent scaled, [C, h, w]
   * @param height of the latent, h
   * @param width of the latent, w
   * @returns [3, h·factor, w·factor], nominally in -1..1; it may overshoot
   */
  async decode(latent: Float32Array, height: number, width: number): Promise<Float32Array> {
    const feeds = this.feeds(latent, height, width);
    return this.numbers((await this.net.run(feeds))[this.output.name], height, width);
  }

  /**
   * The same as a picture; where the net gives bytes, they are made beside it.
   *
   * @throws EBADMODEL when the net gives what is no number
   */
  async decodePicture(latent: Float32Array, height: number, width: number): Promise<RawImage> {
    const { name } = this.output;
    const feeds = this.feeds(latent, height, width);
    const outputs = await (this.net.runPixels?.(feeds, { name, range: this.range }) ?? this.net.run(feeds));
    const image = outputs[name];
    const [h, w] = this.checkedSize(image.dims, height, width);
    if (image.type === 'pixels') return { data: image.data, width: w, height: h, channels: 3 };
    const pixels = this.numbers(image, height, width);
    checkFinite(pixels, 'vae_decoder', PIXEL_STRIDE);
    return toImage(pixels, w, h);
  }

  private feeds(latent: Float32Array, height: number, width: number): Record<string, Tensor> {
    const { channels, factor, scale, shift } = this.space;
    const batch = fixed(this.input.shape[0]) ?? 1;
    const dims = [batch, channels, height, width];
    checkDims('vae_decoder', this.input, dims, factor);
    const unscaled = scale === 1 && shift === 0 ? latent : latent.map((value) => value / scale + shift);
    return { [this.input.name]: tensorOf(this.input.type, stack([unscaled], batch), dims) };
  }

  private checkedSize(dims: number[], height: number, width: number): [number, number] {
    const size: [number, number] = [height * this.space.factor, width * this.space.factor];
    if (dims[2] !== size[0] || dims[3] !== size[1]) throw wrongSize('vae_decoder', dims, size);
    return size;
  }

  private numbers(image: Tensor, height: number, width: number): Float32Array {
    this.checkedSize(image.dims, height, width);
    const [pixels] = unstack(floatsOf(image), image.dims[0], 1);
    return this.range === '-1..1' ? pixels : pixels.map((value) => value * 2 - 1);
  }
}

function wrongSize(net: string, got: number[], expected: number[]): EngineError {
  return new EngineError(
    'EBADMODEL',
    `${net} gives [${got.join(', ')}] where its config promises ${expected[1]}×${expected[0]}: "block_out_channels" does not fit the net`,
  );
}
