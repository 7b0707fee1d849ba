import { EngineError } from '../errors';
import type { PixelRange } from '../image/brightness';
import { toImage, toTensor } from '../image/pixels';
import type { Net, Tensor, TensorInfo } from '../net/net';
import { type Place, placeOf } from '../net/pool/place';
import { floatsOf, tensorOf } from '../net/tensor';
import type { RawImage } from '../types';
import { pictureOf, runOnPicture, runToPicture } from './pictures';
import { checkDims, fixed, fixedSize, pick, stack, unstack } from './rows';

/** How a model's latents relate to pictures, and to the latents of its autoencoder. */
export interface LatentSpace {
  channels: number;
  /** Picture size ÷ latent size. */
  factor: number;
  /** z = (x − shift)·scale, where x is the autoencoder's latent and z the diffusion model's. */
  scale: number;
  shift: number;
}

/** Pictures to latents. */
export class VaeEncoder {
  /** The range of the net's input: -1..1 as in diffusers, or 0..1 as in TAESD's own exports; `encode` always takes -1..1. */
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
    this.input = pictureOf('vae_encoder', net.inputs, 'input', ['sample', 'pixel_values', 'image']);
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
   * @param isOurs whether nobody needs the picture afterwards, so that its bytes may be moved
   * @returns the scaled latent, [C, H/factor, W/factor]. For a distribution it is the mean, since a sample would flicker.
   */
  async encodePicture(image: RawImage, isOurs = false): Promise<Float32Array> {
    const { height, width } = image;
    const outputs = await runOnPicture(this.net, this.input, image, this.dims(height, width), this.range, isOurs);
    return this.latentOf(outputs[this.output.name], height, width);
  }

  /**
   * The same for numbers, which are rounded for a net that takes bytes.
   *
   * @param pixels [3, H, W] in -1..1
   */
  async encode(pixels: Float32Array, height: number, width: number): Promise<Float32Array> {
    const { name, type } = this.input;
    if (type === 'uint8') return this.encodePicture(toImage(pixels, width, height));
    const dims = this.dims(height, width);
    const given = this.range === '-1..1' ? pixels : pixels.map((value) => (value + 1) / 2);
    const outputs = await this.net.run({ [name]: tensorOf(type, stack([given], dims[0]), dims) });
    return this.latentOf(outputs[this.output.name], height, width);
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
    // The output is the mean, then the log variance: the mean is the first half of the channels. An export for several pictures repeats both.
    const mean = floatsOf(output).subarray(0, channels * h * w);
    return mapped(mean, (value) => (value - shift) * scale);
  }
}

/** Latents to pictures. */
export class VaeDecoder {
  /** The range of the net's output; `decode` always returns -1..1. */
  range: PixelRange = '-1..1';
  private readonly input: TensorInfo;
  private readonly output: TensorInfo;

  /** Throws EBADMODEL when the net's channels contradict the latent space. */
  constructor(
    private readonly net: Net,
    private readonly space: LatentSpace,
  ) {
    // A net that outputs bytes also has inputs for their scale.
    const latents = net.inputs.filter(({ shape }) => shape.length > 0);
    this.input = pick('vae_decoder', latents, 'input', ['latent_sample', 'latent', 'latents']);
    this.output = pictureOf('vae_decoder', net.outputs, 'output', ['sample', 'image', 'images']);
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
   * @param latent the scaled latent, [C, h, w]
   * @param height of the latent, h
   * @param width of the latent, w
   * @throws EBADMODEL when the output holds NaN
   */
  async decodePicture(latent: Float32Array, height: number, width: number): Promise<RawImage> {
    const { data, dims } = await runToPicture(this.net, 'vae_decoder', this.output, this.feeds(latent, height, width), this.range);
    const [h, w] = this.checkedSize(dims, height, width);
    return { data, width: w, height: h, channels: 3 };
  }

  /** The same as numbers in -1..1, [3, h·factor, w·factor]; a net that outputs bytes gives quantized ones. */
  async decode(latent: Float32Array, height: number, width: number): Promise<Float32Array> {
    if (this.output.type === 'uint8') return toTensor(await this.decodePicture(latent, height, width));
    const outputs = await this.net.run(this.feeds(latent, height, width));
    return this.numbers(outputs[this.output.name], height, width);
  }

  private feeds(latent: Float32Array, height: number, width: number): Record<string, Tensor> {
    const { channels, factor, scale, shift } = this.space;
    const batch = fixed(this.input.shape[0]) ?? 1;
    const dims = [batch, channels, height, width];
    checkDims('vae_decoder', this.input, dims, factor);
    const unscaled = scale === 1 && shift === 0 ? latent : mapped(latent, (value) => value / scale + shift);
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
    const [gain, offset] = this.range === '-1..1' ? [1, 0] : [2, -1];
    return pixels.map((value) => Math.max(-1, Math.min(1, value * gain + offset)));
  }
}

/** What `map` of typed arrays gives, at a quarter of its time. */
function mapped(values: Float32Array, map: (value: number) => number): Float32Array {
  const results = new Float32Array(values.length);
  for (let k = 0; k < results.length; k++) results[k] = map(values[k]);
  return results;
}

function wrongSize(net: string, got: number[], expected: number[]): EngineError {
  return new EngineError(
    'EBADMODEL',
    `${net} gives [${got.join(', ')}] where its config promises ${expected[1]}×${expected[0]}: "block_out_channels" does not fit the net`,
  );
}
