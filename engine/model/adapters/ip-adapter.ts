import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../errors';
import type { Net } from '../../net/net';
import { withReachTo } from '../../net/onnx/further-files';
import type { OnnxGraph } from '../../net/onnx/graph';
import { GraphEdit } from '../../net/onnx/patches/graph-edit';
import { GraphIndex } from '../../net/onnx/patches/graph-index';
import { addPictureAttention, type PictureAttention } from '../../net/onnx/patches/ip-adapter';
import { readSafetensors, type Safetensors, type SafeTensor } from '../../net/safetensors';
import { tensorOf } from '../../net/tensor';
import type { PicturePrompt } from '../../prompt/prompt-embeds';
import type { RawImage } from '../../types';
import { readHeader } from '../headers';
import { netIn } from '../layouts';
import { stack } from '../rows';
import type { FamilyRole } from '../roles';
import { inputNamed } from '../unet/ports/port';
import { type UnetRow, weightOf } from '../unet/row';
import type { Adapter, AdapterKind, AdapterSource } from './adapter';
import { canonicalProducts } from './layer-products';
import { ImageEncoder, PictureProjection } from './picture-prompt';

interface IpAdapter extends Adapter {
  role: FamilyRole;
  file: Safetensors;
  path: string;
  projection: PictureProjection;
}

/** Providers that skip what no row wants (If), without leaving their device for it. */
const SKIPPING = ['cpu', 'cuda'];
const CROSS_QUERY = /^(.*)_attn2_to_q$/;
/** TensorProto.DataType of what the weights may be stored in. */
const TYPES: Partial<Record<string, number>> = { F32: 1, F16: 10, F64: 11, BF16: 16 };

/**
 * IP-Adapters (arXiv 2308.06721): a picture as a prompt. Its tokens are attended to beside those of the text, in every
 * cross-attention of a plain UNet: out = Attn(Q, K, V) + s·Attn(Q, K_ip, V_ip). A folder with the image encoder and the
 * adapter's .safetensors file.
 */
export const ipAdapters: AdapterKind<IpAdapter> = {
  kind: 'ip-adapter',

  async open(source) {
    const path = await weightsOf(source);
    const file = path === undefined ? undefined : await readSafetensors(path);
    if (path === undefined || !file || ![...file.tensors.keys()].some((name) => name.startsWith('ip_adapter.'))) return undefined;
    const encoder = source.isFolder ? await netIn(join(source.path, 'image_encoder'), source.reach) : undefined;
    if (!encoder)
      throw new EngineError(
        'EBADMODEL',
        'it is an IP-Adapter without its image encoder; name a folder with image_encoder/model.onnx beside the .safetensors file',
      );
    const projection = await PictureProjection.read(file);
    const role: FamilyRole = `image_encoder/${source.name}`;
    // What is wrong with the encoder is found before it is opened.
    const { size: promptSize } = new ImageEncoder(await readHeader(role, encoder, source), encoder.config);
    return {
      name: source.name,
      kind: 'ip-adapter',
      picture: 'prompt',
      role,
      file,
      path: await realpath(path),
      projection,
      promptSize,
      nets: { [role]: encoder },
      encodePrompt: (picture, nets) => encodePicture(picture, new ImageEncoder(nets[role] as Net, encoder.config), projection),
    };
  },

  patches(net, adapters, executionProvider) {
    if (net !== 'unet') return [];
    const skips = SKIPPING.includes(executionProvider.split(':')[0]);
    return adapters.map((adapter) => ({
      name: `the IP-Adapter ${adapter.name}`,
      fingerprint: 'ip-adapter',
      apply(graph) {
        try {
          return withPictureAttention(graph, adapter, skips);
        } catch (thrown) {
          const { code, message } = EngineError.from(thrown, 'EBADMODEL');
          throw new EngineError(code, `the adapter "${adapter.name}": ${message}`, { cause: thrown });
        }
      },
    }));
  },

  ports: (adapters) =>
    adapters.map(({ name, projection }) => (unet) => {
      const [tokens, strength] = [inputNamed(unet, `ip/${name}/tokens`), inputNamed(unet, `ip/${name}`)];
      if (!tokens || !strength) return undefined;
      const none = projection.tokensOf(new Float32Array(projection.size));
      return {
        inputs: [tokens, strength],
        fill({ rows, batch }) {
          const values = rows.map(({ conditioning }) => (conditioning.images?.[name] ?? none).tokens);
          const strengths = rows.map((row) => Float32Array.of(strengthOf(row, name)));
          return {
            [tokens.name]: tensorOf(tokens.type, stack(values, batch), [batch, none.count, none.width]),
            [strength.name]: tensorOf(strength.type, stack(strengths, batch), [batch]),
          };
        },
      };
    }),
};

/** How strongly a row sees the picture of its prompt; not at all without one. */
function strengthOf(row: UnetRow, name: string): number {
  const picture = row.conditioning.images?.[name];
  return picture ? weightOf(row, name) * (picture.presence ?? 1) : 0;
}

/** In a folder the only .safetensors file. */
async function weightsOf({ path, isFolder }: AdapterSource): Promise<string | undefined> {
  if (!isFolder) return path.endsWith('.safetensors') ? path : undefined;
  const files = (await readdir(path)).filter((file) => file.endsWith('.safetensors'));
  return files.length === 1 ? join(path, files[0]) : undefined;
}

/** Negative rows attend to the tokens of a picture that shows nothing. */
async function encodePicture(picture: RawImage, encoder: ImageEncoder, projection: PictureProjection): Promise<PicturePrompt> {
  const embedding = await encoder.embed(picture);
  if (embedding.length !== projection.size)
    throw new EngineError(
      'EBADMODEL',
      `its image encoder gives ${embedding.length} numbers, its projection takes ${projection.size}: they are not of one adapter`,
    );
  return { positive: projection.tokensOf(embedding), negative: projection.tokensOf(new Float32Array(projection.size)) };
}

function withPictureAttention(graph: OnnxGraph, { name, file, path, projection }: IpAdapter, skips: boolean): OnnxGraph {
  const { graph: reaching, locations } = withReachTo(graph, [path]);
  const edit = new GraphEdit(reaching);
  const index = new GraphIndex(reaching);
  const products = canonicalProducts(index, edit.nodes);
  const paths = [...products.keys()].flatMap((layer) => CROSS_QUERY.exec(layer)?.[1] ?? []).sort(inOrderOfDiffusers);
  const numbers = [...file.tensors.keys()].flatMap((key) => {
    const [, number] = /^ip_adapter\.(\d+)\.to_k_ip\.weight$/.exec(key) ?? [];
    return number === undefined ? [] : [Number(number)];
  });
  numbers.sort((a, b) => a - b);
  if (numbers.length !== paths.length || paths.length === 0)
    throw new EngineError(
      'EBADMODEL',
      `it has weights for ${numbers.length} layers, this UNet's graph shows ${paths.length} cross-attentions: it was made for another model, or the export has lost the names of its layers`,
    );
  const weight = (number: number, matrix: string): PictureAttention['key'] => {
    const tensor = file.tensors.get(`ip_adapter.${number}.to_${matrix}_ip.weight`);
    return placeOf(tensor, locations[0], projection.width);
  };
  const layers = paths.map((layer, k): PictureAttention => {
    const [query, out] = [products.get(`${layer}_attn2_to_q`), products.get(`${layer}_attn2_to_out_0`)];
    if (query?.length !== 1 || out?.length !== 1)
      throw new EngineError(
        'EBADMODEL',
        `the graph does not show the cross-attention of ${layer} as products of its own; export the model again without optimisation`,
      );
    return { name: layer, query: query[0], out: out[0], key: weight(numbers[k], 'k'), value: weight(numbers[k], 'v') };
  });
  addPictureAttention(edit, index, layers, { tokens: `ip/${name}/tokens`, strength: `ip/${name}` }, skips);
  return edit.result();
}

function placeOf(tensor: SafeTensor | undefined, location: string, width: number): PictureAttention['key'] {
  const type = tensor && TYPES[tensor.type];
  if (tensor && type !== undefined && tensor.shape.length === 2 && tensor.shape[1] === width)
    return { location, offset: tensor.offset, length: tensor.length, type, shape: tensor.shape };
  throw new EngineError(
    'EBADMODEL',
    `its weights for a layer are ${tensor ? `[${tensor.shape.join(', ')}] in ${tensor.type}` : 'not there'}, where tokens have ${width} numbers`,
  );
}

/** Diffusers lists attention so: down, up, mid; layers by their numbers. */
function inOrderOfDiffusers(a: string, b: string): number {
  const rank = (path: string): number => ['down', 'up', 'mid'].findIndex((side) => path.startsWith(side));
  return rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true });
}
