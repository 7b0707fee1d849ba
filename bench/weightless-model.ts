import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RawImage } from '../engine';
import { toTensor } from '../engine/image/pixels';
import { toFloat16 } from '../engine/net/float16';
import { node, onnxModel, value, weight } from '../test/lib/onnx-maker';

export type NetType = 'float32' | 'float16';

/** Number and width of tokens in Stable Diffusion 2.1 and its distilled forms. */
const TOKENS = 77;
const WIDTH = 1024;
const CHANNELS = 4;
const FACTOR = 8;

/**
 * Writes a model folder with SD-Turbo's shapes whose nets compute almost nothing, so that a frame's time is the engine's own.
 * The encoder takes every eighth pixel, the UNet returns its input, and the decoder always returns the same picture except for its
 * last line, which is made from latents so that nothing is constant.
 *
 * @param picture the decoder's output, of the model's size; it determines the cost of the JPEG
 * @returns the folder, to be removed with {@link removeModel}
 */
export function makeWeightlessModel(type: NetType, picture: RawImage): string {
  const folder = mkdtempSync(join(tmpdir(), 'streamdiffusion-weightless-'));
  const autoencoder = { _class_name: 'AutoencoderKL', latent_channels: CHANNELS, block_out_channels: [128, 256, 512, 512] };
  writeNet(folder, 'text_encoder', textEncoder(type), { max_position_embeddings: TOKENS, hidden_size: WIDTH });
  writeNet(folder, 'unet', unet(type), { in_channels: CHANNELS, cross_attention_dim: WIDTH });
  writeNet(folder, 'vae_encoder', encoder(type), autoencoder);
  writeNet(folder, 'vae_decoder', decoder(type, picture), autoencoder);
  mkdirSync(join(folder, 'tokenizer'));
  writeFileSync(join(folder, 'tokenizer', 'tokenizer.json'), JSON.stringify(tokenizer));
  writeFileSync(join(folder, 'tokenizer', 'tokenizer_config.json'), JSON.stringify({ model_max_length: TOKENS, pad_token: '[UNK]' }));
  return folder;
}

export function removeModel(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

function writeNet(folder: string, name: string, net: Buffer, config: object): void {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'model.onnx'), net);
  writeFileSync(join(folder, name, 'config.json'), JSON.stringify(config));
}

const tokenizer = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: { '[UNK]': 0 }, unk_token: '[UNK]' },
};

const ELEMENT_TYPES = { float32: 1, float16: 10 };

function textEncoder(type: NetType): Buffer {
  return onnxModel({
    inputs: [value('input_ids', 'int64', ['batch', TOKENS])],
    outputs: [value('last_hidden_state', type, ['batch', TOKENS, WIDTH])],
    weights: [weight('last', [1], BigInt64Array.of(2n)), weight('sizes', [3], BigInt64Array.of(1n, 1n, BigInt(WIDTH)))],
    nodes: [
      node('Cast', ['input_ids'], 'ids', { to: ELEMENT_TYPES[type] }),
      node('Unsqueeze', ['ids', 'last'], 'column'),
      node('Expand', ['column', 'sizes'], 'last_hidden_state'),
    ],
  });
}

function unet(type: NetType): Buffer {
  const latents = ['batch', CHANNELS, 'height', 'width'];
  return onnxModel({
    inputs: [
      value('sample', type, latents),
      value('timestep', 'int64', ['batch']),
      value('encoder_hidden_states', type, ['batch', TOKENS, WIDTH]),
    ],
    outputs: [value('out_sample', type, latents)],
    nodes: [node('Identity', ['sample'], 'out_sample')],
  });
}

function encoder(type: NetType): Buffer {
  return onnxModel({
    inputs: [value('sample', type, ['batch', 3, 'height', 'width'])],
    outputs: [value('latent_sample', type, ['batch', CHANNELS, 'h', 'w'])],
    weights: [
      ...slice('eighths', [0, 0], [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], [2, 3], [FACTOR, FACTOR]),
      ...slice('first', [0], [1], [1], [1]),
    ],
    nodes: [
      node('Slice', ['sample', ...sliceInputs('eighths')], 'pixels'),
      node('Slice', ['pixels', ...sliceInputs('first')], 'red'),
      node('Concat', ['pixels', 'red'], 'latent_sample', { axis: 1 }),
    ],
  });
}

function decoder(type: NetType, picture: RawImage): Buffer {
  const { width, height } = picture;
  const planes = toTensor(picture);
  const lines = Float32Array.from({ length: 3 * (height - 1) * width }, (_, k) => {
    const channel = Math.floor(k / ((height - 1) * width));
    return planes[channel * height * width + (k % ((height - 1) * width))];
  });
  return onnxModel({
    inputs: [value('latent_sample', type, ['batch', CHANNELS, 'h', 'w'])],
    outputs: [value('sample', type, ['batch', 3, 'height', 'width'])],
    weights: [
      weight('lines', [1, 3, height - 1, width], type === 'float16' ? toFloat16(lines) : lines),
      weight('sizes', [4], BigInt64Array.of(1n, 3n, 1n, BigInt(width))),
      ...slice('corner', [0, 0, 0], [3, 1, 1], [1, 2, 3], [1, 1, 1]),
    ],
    nodes: [
      node('Slice', ['latent_sample', ...sliceInputs('corner')], 'colour'),
      node('Expand', ['colour', 'sizes'], 'line'),
      node('Concat', ['lines', 'line'], 'sample', { axis: 2 }),
    ],
  });
}

function slice(name: string, ...lists: number[][]): Buffer[] {
  return sliceInputs(name).map((input, k) => weight(input, [lists[k].length], BigInt64Array.from(lists[k], BigInt)));
}

function sliceInputs(name: string): string[] {
  return ['starts', 'ends', 'axes', 'steps'].map((list) => `${name}_${list}`);
}
