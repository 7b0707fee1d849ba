import { EngineError } from '../errors';
import type { Net, TensorInfo } from '../net/net';
import { floatsOf, tensorOf } from '../net/tensor';
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

/** How a net counts brightness: -1..1 as diffusers does, or 0..1 as the authors of TAESD do. */
export type PixelRange = '-1..1' | '0..1';

/** Pictures to latents. */
export class VaeEncoder {
  /** What the net takes; `encode` takes -1..1 in any case. */
  range: PixelRange = '-1..1';
  private readonly input: TensorInfo;
  private readonly output: TensorInfo;

  /** Throws EBADMODEL when the net's channels contradict the latent space. */
  constructor(
    private readonly net: Net,
    private readonly space: LatentSpace,
  ) {
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

  /** Resolves when a picture that comes then need not wait for other nets. */
  async turn(): Promise<void> {
    await this.net.turn?.();
  }

  /**
   * @param pixels [3, H, W] in -1..1
   * @returns the scaled latent, [C, H/factor, W/factor]. Of a distribution it is the mean: a sample would flicker.
   */
  async encode(pixels: Float32Array, height: number, width: number): Promise<Float32Array> {
    const { channels, factor, scale, shift } = this.space;
    const batch = fixed(this.input.shape[0]) ?? 1;
    const dims = [batch, 3, height, width];
    checkDims('vae_encoder', this.input, dims, 1);
    const given = this.range === '-1..1' ? pixels : pixels.map((value) => (value + 1) / 2);
    const outputs = await this.net.run({ [this.input.name]: tensorOf(this.input.type, stack([given], batch), dims) });
    const { dims: got } = outputs[this.output.name];
    const [h, w] = [height / factor, width / factor];
    if (got[2] !== h || got[3] !== w) throw wrongSize('vae_encoder', got, [h, w]);
    // Mean, then log variance: the mean is the first half of the channels. An export for several pictures has copies behind it.
    const mean = floatsOf(outputs[this.output.name]).subarray(0, channels * h * w);
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
    const { channels, factor, scale, shift } = this.space;
    const batch = fixed(this.input.shape[0]) ?? 1;
    const dims = [batch, channels, height, width];
    checkDims('vae_decoder', this.input, dims, factor);
    const unscaled = scale === 1 && shift === 0 ? latent : latent.map((value) => value / scale + shift);
    const outputs = await this.net.run({ [this.input.name]: tensorOf(this.input.type, stack([unscaled], batch), dims) });
    const image = outputs[this.output.name];
    if (image.dims[2] !== height * factor || image.dims[3] !== width * factor) {
      throw wrongSize('vae_decoder', image.dims, [height * factor, width * factor]);
    }
    const pixels = unstack(floatsOf(image), batch, 1)[0];
    return this.range === '-1..1' ? pixels : pixels.map((value) => value * 2 - 1);
  }
}

function wrongSize(net: string, got: number[], expected: number[]): EngineError {
  return new EngineError(
    'EBADMODEL',
    `${net} gives [${got.join(', ')}] where its config promises ${expected[1]}×${expected[0]}: "block_out_channels" does not fit the net`,
  );
}
