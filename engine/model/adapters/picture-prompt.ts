import { EngineError } from '../../errors';
import type { Net, TensorInfo } from '../../net/net';
import { type Safetensors, readNumbers } from '../../net/safetensors';
import { floatsOf, tensorOf } from '../../net/tensor';
import type { PictureTokens } from '../../prompt/prompt-embeds';
import type { RawImage } from '../../types';
import { fixed } from '../rows';

/** The mean and deviation of CLIP's pictures, by channel. */
const MEAN = [0.48145466, 0.4578275, 0.40821073];
const DEVIATION = [0.26862954, 0.26130258, 0.27577711];
const EPSILON = 1e-5;

/**
 * Projects a picture's embedding to the tokens that the UNet attends to: a linear layer to count × width numbers, normalised
 * token by token (arXiv 2308.06721, §3.2).
 */
export class PictureProjection {
  private constructor(
    private readonly matrix: Float32Array,
    private readonly bias: Float32Array,
    private readonly gain: Float32Array,
    private readonly shift: Float32Array,
    /** The length of a picture's embedding. */
    readonly size: number,
  ) {}

  /** @throws EBADMODEL where it is another kind of projection */
  static async read(file: Safetensors): Promise<PictureProjection> {
    const [proj, bias, gain, shift] = await Promise.all(
      ['proj.weight', 'proj.bias', 'norm.weight', 'norm.bias'].map(async (name) => {
        const tensor = file.tensors.get(`image_proj.${name}`);
        if (tensor) return { shape: tensor.shape, values: await readNumbers(file, tensor) };
        throw new EngineError(
          'EBADMODEL',
          `it has no "image_proj.${name}": its projection is none of the plain IP-Adapter or of plus (those of FaceID and of a whole face are not known); use a plain one or plus`,
        );
      }),
    );
    const fits = proj.shape.length === 2 && bias.values.length === proj.shape[0] && gain.values.length === shift.values.length;
    if (!fits || gain.values.length === 0 || proj.shape[0] % gain.values.length !== 0)
      throw new EngineError(
        'EBADMODEL',
        `its projection has [${proj.shape.join(', ')}] and tokens of ${gain.values.length} numbers, which do not fit`,
      );
    return new PictureProjection(proj.values, bias.values, gain.values, shift.values, proj.shape[1]);
  }

  get width(): number {
    return this.gain.length;
  }

  /** @param embedding [size] */
  tokensOf(embedding: Float32Array): PictureTokens {
    const { matrix, bias, size, width } = this;
    const tokens = bias.map((start, row) => {
      let sum = start;
      for (let k = 0; k < size; k++) sum += matrix[row * size + k] * embedding[k];
      return sum;
    });
    const count = tokens.length / width;
    for (let token = 0; token < count; token++) this.normalize(tokens.subarray(token * width, (token + 1) * width));
    return { tokens, count, width };
  }

  private normalize(token: Float32Array): void {
    const mean = token.reduce((sum, value) => sum + value, 0) / token.length;
    const variance = token.reduce((sum, value) => sum + (value - mean) ** 2, 0) / token.length;
    const scale = 1 / Math.sqrt(variance + EPSILON);
    token.forEach((value, k) => {
      token[k] = (value - mean) * scale * this.gain[k] + this.shift[k];
    });
  }
}

/** A CLIP image encoder: `pixel_values` [B, 3, S, S] → `image_embeds` [B, E], or tokens [B, count, width] if a resampler follows it. */
export class ImageEncoder {
  private readonly input: TensorInfo;
  private readonly output: TensorInfo;
  /** The side of the picture that it takes, pixels. */
  readonly size: number;
  /** Numbers of an embedding, where the export tells. */
  readonly width: number | undefined;

  /** @throws EBADMODEL for another kind of net */
  constructor(
    private readonly net: Net,
    config: { image_size?: unknown },
    output?: string,
  ) {
    const input = net.inputs.find(({ name }) => name === 'pixel_values') ?? net.inputs[0];
    const given = net.outputs.find(({ name }) => name === (output ?? 'image_embeds'));
    const embeds = given ?? (output === undefined ? net.outputs.find(({ shape }) => shape.length === 2) : undefined);
    if (net.inputs.length !== 1 || input.shape.length !== 4 || !embeds)
      throw new EngineError('EBADMODEL', 'its image encoder must take "pixel_values" [B, 3, S, S] and give "image_embeds" [B, E]');
    this.input = input;
    this.output = embeds;
    this.width = fixed(embeds.shape[1]);
    this.size = fixed(input.shape[2]) ?? (typeof config.image_size === 'number' ? config.image_size : 224);
  }

  /** @param image of that size; undefined for no picture: a grey that is 0 in every normalised channel */
  async encode(image: RawImage | undefined): Promise<Float32Array> {
    const { size, input } = this;
    const batch = fixed(input.shape[0]) ?? 1;
    const plane = size * size;
    const pixels = new Float32Array(batch * 3 * plane);
    for (let at = 0; image && at < pixels.length; at++) {
      const [channel, pixel] = [Math.floor(at / plane) % 3, at % plane];
      pixels[at] = (image.data[3 * pixel + channel] / 255 - MEAN[channel]) / DEVIATION[channel];
    }
    const outputs = await this.net.run({ [input.name]: tensorOf(input.type, pixels, [batch, 3, size, size]) });
    const embeds = floatsOf(outputs[this.output.name]);
    return embeds.slice(0, embeds.length / batch);
  }
}
