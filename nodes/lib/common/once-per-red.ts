import type { NodeAPI } from 'node-red';

/**
 * What there is once in a Node-RED, such as a route, however many nodes ask for it; made for the first that asks. Each file of nodes
 * is given a `RED` of its own, so a Node-RED is known by a part that all of these share.
 *
 * ```ts
 * const routesOf = oncePerRed('httpNode', (RED) => new Routes(RED));
 * routesOf(RED) === routesOf(RED);
 * ```
 */
export function oncePerRed<T>(part: 'httpNode' | 'httpAdmin' | 'server', make: (RED: NodeAPI) => T): (RED: NodeAPI) => T {
  const made = new WeakMap<object, T>();
  return (RED) => {
    const key: object = RED[part];
    if (!made.has(key)) made.set(key, make(RED));
    return made.get(key) as T;
  };
}
