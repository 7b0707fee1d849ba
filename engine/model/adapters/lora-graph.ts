import { realpathSync } from 'node:fs';
import { EngineError } from '../../errors';
import { withReachTo } from '../../net/onnx/further-files';
import type { OnnxGraph } from '../../net/onnx/graph';
import { GraphEdit } from '../../net/onnx/patches/graph-edit';
import { GraphIndex } from '../../net/onnx/patches/graph-index';
import { addLora, type LoraLayer, type LoraProvider } from '../../net/onnx/patches/lora';
import { printable } from '../../util/quote';
import { canonicalProducts } from './layer-products';
import type { LoraFile } from './lora-file';
import type { LoraPart } from './lora-names';

/**
 * Adds the branches of a LoRA beside the products of a net's graph.
 *
 * @param input the name of the new input with the strength of every row, float32 [B]
 * @returns undefined where the LoRA does not change this net
 * @throws EBADMODEL where a layer is not found in the graph, or has another size
 */
export function withLora(graph: OnnxGraph, lora: LoraFile, part: LoraPart, input: string, provider: LoraProvider): OnnxGraph | undefined {
  const modules = lora.parts.get(part);
  if (!modules) return undefined;
  const { graph: reaching, locations } = withReachTo(graph, [realpathSync(lora.path)]);
  const edit = new GraphEdit(reaching);
  const index = new GraphIndex(reaching);
  const products = canonicalProducts(index, edit.nodes);
  const layers = [...modules].flatMap(([layer, module]): LoraLayer[] => {
    const found = products.get(layer);
    if (!found) return [];
    const [location] = locations;
    return [{ ...module, down: { ...module.down, location }, up: { ...module.up, location }, products: found }];
  });
  if (layers.length < modules.size)
    throw notFound(
      lora,
      part,
      [...modules.keys()].filter((layer) => !products.has(layer)),
      modules.size,
    );
  addLora(edit, index, { input, layers }, provider);
  return edit.result();
}

function notFound({ path }: LoraFile, part: LoraPart, missing: string[], total: number): EngineError {
  const which = `${missing.length === total ? 'none' : `${total - missing.length}`} of the ${total} layers that it changes`;
  return new EngineError(
    'EBADMODEL',
    `${printable(path, 1000)}: ${which} ${total - missing.length === 1 ? 'is' : 'are'} found in the model's ${part} (not ${printable(missing[0], 120)}): ` +
      'it was made for another architecture, or the export has packed its attention or lost the names of its layers; use the LoRA of this model, or export the model again without optimisation',
  );
}
