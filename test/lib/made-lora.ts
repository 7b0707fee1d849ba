import { canonicalProducts } from '../../engine/model/adapters/layer-products';
import { readOnnxGraph } from '../../engine/net/onnx/graph';
import { GraphEdit } from '../../engine/net/onnx/patches/graph-edit';
import { GraphIndex } from '../../engine/net/onnx/patches/graph-index';
import { tensorFile, type Tensors } from './safetensors';

/** Names of attention and feed-forward layers in the embedded model. */
const LAYERS = /attention_to_|feed_forward_/;

/**
 * The bytes of a LoRA file with random matrices for the attention and feed-forward layers of a UNet like the embedded model's.
 *
 * @param unet path of the net
 * @param share size of its change of a weight relative to that weight, if both were random
 */
export async function madeLora(unet: string, { rank = 16, share = 1, seed = 7 } = {}): Promise<Buffer> {
  const graph = await readOnnxGraph(unet);
  const normal = normals(seed);
  const random = (shape: number[], deviation: number): Tensors[string] => ({
    shape,
    data: Float32Array.from({ length: shape[0] * shape[1] }, () => deviation * normal()),
  });
  const tensors: Tensors = {};
  for (const [path, [{ dims }]] of canonicalProducts(new GraphIndex(graph), new GraphEdit(graph).nodes)) {
    if (!LAYERS.test(path)) continue;
    const [out, inside] = dims;
    tensors[`lora_unet_${path}.lora_down.weight`] = random([rank, inside], inside ** -0.5);
    tensors[`lora_unet_${path}.lora_up.weight`] = random([out, rank], share * rank ** -0.5);
  }
  return tensorFile(tensors, 'F16');
}

/** Numbers with mean 0 and standard deviation 1, the same for the same seed. */
function normals(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
