/** The net of a model that a module of a LoRA belongs to. */
export type LoraPart = 'unet' | 'text_encoder' | 'text_encoder_2';

/** A tensor of a LoRA file: its layer, and which of the layer's matrices it is. */
export interface LoraKey {
  part: LoraPart;
  /** The layer's path in diffusers, with underscores instead of dots: `down_blocks_1_attentions_0_…_to_q`. */
  layer: string;
  role: 'down' | 'up' | 'alpha';
}

/** The names of the matrices: kohya's, diffusers' (old and older), PEFT's (with the name of its adapter). */
const ROLES: [pattern: RegExp, role: LoraKey['role']][] = [
  [/[._]lora(?:_linear_layer)?[._]down\.weight$/, 'down'],
  [/[._]lora(?:_linear_layer)?[._]up\.weight$/, 'up'],
  [/[._]lora_A(?:\.[\w-]+)?\.weight$/, 'down'],
  [/[._]lora_B(?:\.[\w-]+)?\.weight$/, 'up'],
  [/\.alpha$/, 'alpha'],
];

/** The prefixes of names; a name without one belongs to the UNet. kohya numbers the text encoders of SDXL from 1. */
const PARTS: [pattern: RegExp, part: LoraPart][] = [
  [/^(?:base_model\.model\.)?text_encoder_2\./, 'text_encoder_2'],
  [/^(?:base_model\.model\.)?text_encoder\./, 'text_encoder'],
  [/^(?:base_model\.model\.)?unet\./, 'unet'],
  [/^lora_te2_/, 'text_encoder_2'],
  [/^lora_te1?_/, 'text_encoder'],
  [/^lora_unet_/, 'unet'],
  [/^base_model\.model\./, 'unet'],
];

/** Tensors of methods that are more than a low-rank product, by parts of their names. */
const OTHER_METHODS: [pattern: RegExp, method: string][] = [
  [/\.hada_(w|t)\d/, 'LoHa'],
  [/\.lokr_(w|t)\d/, 'LoKr'],
  [/\.dora_scale$|\.lora_magnitude_vector/, 'DoRA'],
  [/\.lora_mid\.weight$/, 'LoCon with Tucker decomposition'],
  [/\.oft_blocks$|\.oft_diag$/, 'OFT'],
  [/\.(diff|diff_b)$|\.lora_B(\.[\w-]+)?\.bias$/, 'a full difference of weights or biases'],
];

/** The method of a file that is not a plain LoRA; undefined for one that may be. */
export function otherMethod(names: Iterable<string>): string | undefined {
  for (const name of names) {
    const found = OTHER_METHODS.find(([pattern]) => pattern.test(name));
    if (found) return found[1];
  }
  return undefined;
}

/** Whether a file is a LoRA or of a related method, by the names of its tensors. */
export function isLora(names: Iterable<string>): boolean {
  const list = [...names];
  return otherMethod(list) !== undefined || list.some((name) => ROLES.some(([pattern, role]) => role === 'down' && pattern.test(name)));
}

/** The layer and the role of a tensor; undefined for one that is not part of a low-rank product. */
export function loraKey(name: string): LoraKey | undefined {
  const found = ROLES.find(([pattern]) => pattern.test(name));
  if (!found) return undefined;
  const [pattern, role] = found;
  let path = name
    .replace(pattern, '')
    // Diffusers before 0.20 has attention processors: attn1.processor.to_q_lora, to_out_lora.
    .replace(/\.processor\.to_out(_lora)?$/, '.to_out.0')
    .replace(/\.processor\.(to_[qkv])(_lora)?$/, '.$1');
  const prefix = PARTS.find(([start]) => start.test(path));
  if (prefix) path = path.replace(prefix[0], '');
  return { part: prefix?.[1] ?? 'unet', layer: fromOriginal(canonical(path)), role };
}

/** The first blocks of a UNet and of a text encoder; anything before them belongs to a wrapper. */
const BEGINNINGS =
  /(?:^|_)((?:down_blocks|up_blocks|input_blocks|output_blocks)_\d|(?:mid_block|middle_block|conv_in|conv_out|time_embedding|add_embedding|time_embed|label_emb)(?:_|$)|encoder_layers_\d)/;

/** A layer's path with underscores, from its first block on: exporters and trainers wrap models differently. */
export function canonical(path: string): string {
  const flat = path.replaceAll('.', '_');
  const start = BEGINNINGS.exec(flat);
  return start ? flat.slice(start.index + start[0].length - start[1].length) : flat;
}

/** The original Stable Diffusion's names of layers in a residual block and at the ends of a UNet, and those of diffusers. */
const ORIGINAL: [original: RegExp, diffusers: string][] = [
  [/in_layers_2$/, 'conv1'],
  [/emb_layers_1$/, 'time_emb_proj'],
  [/out_layers_3$/, 'conv2'],
  [/skip_connection$/, 'conv_shortcut'],
];

/** The layers per block of all UNets that were published with the original names. */
const LAYERS = 2;

/**
 * Diffusers' path for a path of the original Stable Diffusion, which kohya uses for SDXL: input_blocks_4_1_… is
 * down_blocks_1_attentions_0_….
 */
function fromOriginal(layer: string): string {
  const ends: Record<string, string> = {
    time_embed_0: 'time_embedding_linear_1',
    time_embed_2: 'time_embedding_linear_2',
    label_emb_0_0: 'add_embedding_linear_1',
    label_emb_0_2: 'add_embedding_linear_2',
    input_blocks_0_0: 'conv_in',
    out_2: 'conv_out',
  };
  if (layer in ends) return ends[layer];
  const [, side, first, second, rest] = /^(input|middle|output)_blocks?_(\d+)(?:_(\d+))?_(.*)$/.exec(layer) ?? [];
  if (!side) return layer;
  const inner = ORIGINAL.reduce((path, [original, diffusers]) => path.replace(original, diffusers), rest);
  if (side === 'middle') {
    // In middle_block_1_transformer_blocks_0_…, the second number, if any, belongs to what follows.
    const path = second === undefined ? inner : `${second}_${inner}`;
    return first === '1' ? `mid_block_attentions_0_${path}` : `mid_block_resnets_${first === '0' ? 0 : 1}_${path}`;
  }
  const number = Number(first);
  const isInput = side === 'input';
  const block = Math.floor((number - (isInput ? 1 : 0)) / (LAYERS + 1));
  const layerNumber = (number - (isInput ? 1 : 0)) % (LAYERS + 1);
  const name = isInput ? 'down_blocks' : 'up_blocks';
  if (inner === 'op') return `${name}_${block}_downsamplers_0_conv`;
  if (inner === 'conv') return `${name}_${block}_upsamplers_0_conv`;
  return `${name}_${block}_${second === '0' ? 'resnets' : 'attentions'}_${layerNumber}_${inner}`;
}
