/**
 * What a running node of this package lends to others that know it by its id: how it is tuned, whether somebody sees its
 * pictures. It goes with the node.
 *
 * ```ts
 * export const TUNABLES = new NodePart<Tunable>();
 * TUNABLES.lend(this, denoiser);                  // in the node
 * TUNABLES.of(RED.nodes.getNode(id))?.tune(wish); // elsewhere
 * ```
 */
export class NodePart<T> {
  private readonly parts = new WeakMap<object, T>();

  lend(node: object, part: T): void {
    this.parts.set(node, part);
  }

  /** Undefined of a node that is not running, or lends none. */
  of(node: object | null | undefined): T | undefined {
    return node ? this.parts.get(node) : undefined;
  }
}
