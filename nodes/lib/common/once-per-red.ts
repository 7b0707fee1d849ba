import type { NodeAPI } from 'node-red';

/**
 * Creates something once per Node-RED, such as a route, when the first node asks for it. Each node file gets a `RED` of its own,
 * so a Node-RED is identified by a part that all of these share.
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
