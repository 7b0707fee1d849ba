/**
 * An interface that running nodes of this package offer to others that know them by id, such as tuning, or whether somebody
 * watches. It is withdrawn when the node closes.
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

  /** The part of a node; undefined for a node that is not running or does not offer it. */
  of(node: object | null | undefined): T | undefined {
    return node ? this.parts.get(node) : undefined;
  }
}
