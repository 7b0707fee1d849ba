import { join } from 'node:path';
import { EngineError } from '../../errors';
import { inputName, shapeOf, withShape } from '../../net/onnx/edit';
import type { OnnxGraph } from '../../net/onnx/graph';
import { GraphEdit } from '../../net/onnx/patches/graph-edit';
import { GraphIndex } from '../../net/onnx/patches/graph-index';
import { addPictureStrength } from '../../net/onnx/patches/picture-strength';
import type { Net } from '../../net/net';
import { readSafetensors } from '../../net/safetensors';
import { readHeader } from '../headers';
import { type NetFiles, netIn } from '../layouts';
import { fixed } from '../rows';
import type { FamilyRole } from '../roles';
import type { AdapterKind, AdapterSource } from './adapter';
import { type BakedIpAdapter, bakedIpPort } from './baked-ip-port';
import { checkIpInputs, type IpInputs, ipInputsOf } from './ip-inputs';
import { canonicalProducts } from './layer-products';
import { ImageEncoder } from './picture-prompt';
import { variantOf, weightsOf } from './picture-variant';

const VALUES = /_attn2_(?:processor_)?to_v_ip(?:_0)?$/;
const TEXT_VALUES = /_attn2_to_v$/;

/**
 * IP-Adapters that were exported as part of a UNet. As for other IP-Adapters, a folder has the image encoder, and the
 * .safetensors file unless the projection is in the UNet as well. Without a folder the adapter is present as `picture` and shows
 * no picture. The strength becomes an input with a value for every row; 1 is the export's own strength.
 */
export const bakedIpAdapters: AdapterKind<BakedIpAdapter> = {
  kind: 'ip-adapter',

  async open(source) {
    const inputs = source.headers.unet && ipInputsOf(source.headers.unet.inputs);
    const encoder = inputs && source.isFolder ? await netIn(join(source.path, 'image_encoder'), source.reach) : undefined;
    if (!inputs || !encoder) return undefined;
    checkIpInputs(inputs);
    const role: FamilyRole = `image_encoder/${source.name}`;
    const made = inputs.form === 'embedding' ? await embedding(source, role, encoder, inputs) : await tokens(source, role, encoder, inputs);
    checkFit(inputs, made.shape);
    return { name: source.name, kind: 'ip-adapter', picture: 'prompt', nets: { [role]: encoder }, ...made };
  },

  inModel({ unet }, opened) {
    if (!unet || opened.length > 0 || !ipInputsOf(unet.inputs)) return [];
    const why =
      'images: this model has an IP-Adapter in its unet, and no image encoder; give the engine the folder of that IP-Adapter (image_encoder/model.onnx, and its .safetensors file) as an adapter';
    return [
      { name: 'picture', kind: 'ip-adapter', picture: 'prompt', encodePrompt: () => Promise.reject(new EngineError('EBADPARAM', why)) },
    ];
  },

  patches(net, [adapter, ...others]) {
    if (net !== 'unet') return [];
    const [other] = others;
    return [
      {
        name: `the IP-Adapter ${adapter.name}`,
        fingerprint: 'ip-strength',
        apply(graph) {
          if (!other) return withStrength(graph, adapter.name);
          throw new EngineError(
            'EBADMODEL',
            `the adapter "${other.name}": the unet has one IP-Adapter in it, which "${adapter.name}" is for`,
          );
        },
      },
    ];
  },

  ports: ([adapter]) => [bakedIpPort(adapter)],
};

type Made = Pick<BakedIpAdapter, 'shape' | 'variant' | 'heads' | 'promptSize' | 'encodePrompt'> & Required<Pick<BakedIpAdapter, 'shape'>>;

/** For a UNet with the projection in it: the image encoder's output is its input. Negative rows have an embedding of zeros. */
async function embedding(source: AdapterSource, role: FamilyRole, net: NetFiles, { picture }: IpInputs): Promise<Made> {
  const { config } = net;
  const encoder = new ImageEncoder(await readHeader(role, net, source), config);
  const width = encoder.width ?? fixed(picture.shape.at(-1));
  if (width === undefined)
    throw new EngineError('EBADMODEL', 'the size of the output of its image encoder is not fixed; export it with "image_embeds" [B, E]');
  return {
    shape: { count: 1, width },
    promptSize: encoder.size,
    async encodePrompt(picture, nets) {
      const shown = await new ImageEncoder(nets[role] as Net, config).encode(picture);
      if (shown.length !== width)
        throw new EngineError('EBADMODEL', `its image encoder gives ${shown.length} numbers, this model's unet takes ${width}`);
      return { positive: { tokens: shown, count: 1, width }, negative: { tokens: new Float32Array(width), count: 1, width } };
    },
  };
}

async function tokens(source: AdapterSource, role: FamilyRole, encoder: NetFiles, { form }: IpInputs): Promise<Made> {
  const path = await weightsOf(source);
  if (path === undefined)
    throw new EngineError(
      'EBADMODEL',
      `it has no .safetensors file, or several: its folder must have that of the IP-Adapter, whose image_proj makes the tokens that this model's unet takes${form === 'joined' ? ' after those of the text' : ''}, and no other`,
    );
  const { count, width, ...variant } = await variantOf(source, role, encoder, await readSafetensors(path));
  return { ...variant, shape: { count, width } };
}

/** @throws EBADMODEL where the UNet was exported with an IP-Adapter of another kind */
function checkFit({ form, picture }: IpInputs, { count, width }: Made['shape']): void {
  const [, places, numbers] = picture.shape.length === 3 ? picture.shape : ['', 1, picture.shape[1]];
  const [most, wide] = [fixed(places), fixed(numbers)];
  const fits = form === 'joined' ? most === undefined || most > count : form === 'embedding' || most === undefined || most === count;
  if (fits && (wide === undefined || wide === width)) return;
  throw new EngineError(
    'EBADMODEL',
    `it makes [${count}, ${width}] of a picture, and this model's unet takes "${picture.name}" as [${picture.shape.join(', ')}]: it is not the IP-Adapter that the unet was exported with`,
  );
}

/** @throws EBADMODEL where the graph does not show its attention to pictures */
function withStrength(graph: OnnxGraph, name: string): OnnxGraph {
  const edit = new GraphEdit(graph);
  const products = [...canonicalProducts(new GraphIndex(graph), edit.nodes)];
  const found = (pattern: RegExp) => [...new Set(products.flatMap(([path, some]) => (pattern.test(path) ? some : [])))];
  const [values, text] = [found(VALUES), found(TEXT_VALUES)];
  if (values.length === 0 || values.length !== text.length || values.some(({ node }) => node.operator !== 'MatMul'))
    throw new EngineError(
      'EBADMODEL',
      `the unet has an IP-Adapter in it, and its graph shows ${values.length} products "to_v_ip" in ${text.length} cross-attentions: export it again without optimisation, or without its IP-Adapter`,
    );
  addPictureStrength(edit, values, `ip/${name}`);
  const changed = edit.result();
  const scales = ipInputsOf(
    graph.inputs.map((input) => ({ name: inputName(input), type: 'float32' as const, shape: shapeOf(input) })),
  )?.scales;
  // Exports may leave the number of layers free; the graph shows it.
  const counted = (input: Buffer): Buffer =>
    inputName(input) === scales?.name && scales.shape.length === 1 && fixed(scales.shape[0]) === undefined
      ? withShape(input, [values.length])
      : input;
  return { ...changed, inputs: changed.inputs.map(counted) };
}
