import { makeInt64s, makeNode, makeValue } from '../node';
import type { EditedNode, GraphEdit } from './graph-edit';
import type { Product } from './module-paths';

/**
 * Gives the attention to pictures that a graph has an input for its strength on every row: its values are multiplied with it, and so
 * is what comes of them. At 1 nothing changes, and at 0 nothing is added.
 *
 * @param values the products that make them of a picture's tokens, [B, …, inner]
 * @param strength name of the new input, float32 [B]
 */
export function addPictureStrength(edit: GraphEdit, values: readonly Product<EditedNode>[], strength: string): void {
  edit.addInput(makeValue(strength, 'float32', ['']));
  edit.addWeights(makeInt64s(`${strength}/column`, [-1, 1]), makeInt64s(`${strength}/flat`, [0, -1]));
  edit.addFirst(makeNode('Reshape', [strength, `${strength}/column`], `${strength}/by_row`));
  for (const [k, { node, type }] of values.entries()) {
    const own = `${strength}/${k}`;
    const [output] = node.outputs;
    edit.renameOutput(node, 0, `${own}/whole`);
    edit.addAfter(
      node,
      makeNode('Cast', [`${strength}/by_row`], `${own}/strength`, { to: type }),
      // Of any rank, as some exports count pictures before tokens.
      makeNode('Shape', [`${own}/whole`], `${own}/shape`),
      makeNode('Reshape', [`${own}/whole`, `${strength}/flat`], `${own}/rows`),
      makeNode('Mul', [`${own}/rows`, `${own}/strength`], `${own}/weighted`),
      makeNode('Reshape', [`${own}/weighted`, `${own}/shape`], output),
    );
  }
}
