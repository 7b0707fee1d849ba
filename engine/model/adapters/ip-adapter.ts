import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../errors';
import { withReachTo } from '../../net/onnx/further-files';
import type { OnnxGraph } from '../../net/onnx/graph';
import { GraphEdit } from '../../net/onnx/patches/graph-edit';
import { GraphIndex } from '../../net/onnx/patches/graph-index';
import { addPictureAttention, type PictureAttention } from '../../net/onnx/patches/ip-adapter';
import { readSafetensors, type Safetensors } from '../../net/safetensors';
import { tensorOf } from '../../net/tensor';
import { fileDigest } from '../fingerprint';
import { netIn } from '../layouts';
import { stack } from '../rows';
import type { FamilyRole } from '../roles';
import { inputNamed } from '../unet/ports/port';
import { pictureStrength } from '../unet/row';
import type { Adapter, AdapterKind } from './adapter';
import { canonicalProducts } from './layer-products';
import { type Variant, variantOf, weightsOf } from './picture-variant';
import { weightPlace } from './weight-place';

interface IpAdapter extends Adapter, Variant {
  file: Safetensors;
  path: string;
  /** The digest of its weights, which become part of the UNet. */
  digest: string;
}

/** Providers that can skip the branch of an If without leaving their device. */
const SKIPPING = ['cpu', 'cuda'];
const CROSS_QUERY = /^(.*)_attn2_to_q$/;

/**
 * IP-Adapters (arXiv 2308.06721), plain and plus: a picture as a prompt. Every cross-attention of a plain UNet attends to the
 * picture's tokens as well as to the text's: out = Attn(Q, K, V) + s·Attn(Q, K_ip, V_ip). The adapter is a folder with the image
 * encoder and the .safetensors file.
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
    const role: FamilyRole = `image_encoder/${source.name}`;
    return {
      name: source.name,
      kind: 'ip-adapter',
      picture: 'prompt',
      file,
      path: await realpath(path),
      nets: { [role]: encoder },
      digest: await fileDigest(await realpath(path)),
      ...(await variantOf(source, role, encoder, file)),
    };
  },

  patches(net, adapters, executionProvider) {
    if (net !== 'unet') return [];
    const skips = SKIPPING.includes(executionProvider.split(':')[0]);
    return adapters.map((adapter) => ({
      name: `the IP-Adapter ${adapter.name}`,
      fingerprint: `ip-adapter-${adapter.digest}`,
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
    adapters.map(({ name, count, width }) => (unet) => {
      const [tokens, strength] = [inputNamed(unet, `ip/${name}/tokens`), inputNamed(unet, `ip/${name}`)];
      if (!tokens || !strength) return undefined;
      const none = { tokens: new Float32Array(count * width), count, width };
      return {
        inputs: [tokens, strength],
        fill({ rows, batch }) {
          const values = rows.map(({ conditioning }) => (conditioning.images?.[name] ?? none).tokens);
          const strengths = rows.map((row) => Float32Array.of(pictureStrength(row, name)));
          return {
            [tokens.name]: tensorOf(tokens.type, stack(values, batch), [batch, none.count, none.width]),
            [strength.name]: tensorOf(strength.type, stack(strengths, batch), [batch]),
          };
        },
      };
    }),
};

function withPictureAttention(graph: OnnxGraph, { name, file, path, width }: IpAdapter, skips: boolean): OnnxGraph {
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
    return weightPlace(tensor, `ip_adapter.${number}.to_${matrix}_ip.weight`, locations[0], [undefined, width]);
  };
  const layers = paths.map((layer, k): PictureAttention => {
    const [query, out] = [products.get(`${layer}_attn2_to_q`), products.get(`${layer}_attn2_to_out_0`)];
    if (query?.length !== 1 || out?.length !== 1)
      throw new EngineError(
        'EBADMODEL',
        `the graph does not show the cross-attention of ${layer} as separate products; export the model again without optimisation`,
      );
    return { name: layer, query: query[0], out: out[0], key: weight(numbers[k], 'k'), value: weight(numbers[k], 'v') };
  });
  addPictureAttention(edit, index, layers, { tokens: `ip/${name}/tokens`, strength: `ip/${name}` }, skips);
  return edit.result();
}

/** The order of attention layers in diffusers: down, up, mid; then by number. */
function inOrderOfDiffusers(a: string, b: string): number {
  const rank = (path: string): number => ['down', 'up', 'mid'].findIndex((side) => path.startsWith(side));
  return rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true });
}
