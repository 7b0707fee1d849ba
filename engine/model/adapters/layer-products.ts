import type { EditedNode } from '../../net/onnx/patches/graph-edit';
import type { GraphIndex } from '../../net/onnx/patches/graph-index';
import { type Product, productsByPath } from '../../net/onnx/patches/module-paths';
import { canonical } from './lora-names';

/** All products of a graph by the canonical path of their layer, without the prefix of a wrapper. */
export function canonicalProducts(index: GraphIndex, nodes: readonly EditedNode[]): Map<string, Product<EditedNode>[]> {
  const found = new Map<string, Set<Product<EditedNode>>>();
  for (const [path, products] of productsByPath(index, nodes)) {
    const key = canonical(path);
    found.set(key, new Set([...(found.get(key) ?? []), ...products]));
  }
  return new Map([...found].map(([key, products]) => [key, [...products]]));
}
