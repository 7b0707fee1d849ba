import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { type EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './reference';
import { PATIENCE, until } from './until';

export { PATIENCE, until };

type NodeModule = (RED: NodeAPI) => void;
export type FlowNode = Partial<NodeDef> & { id: string; type: string; [field: string]: unknown };

interface TestHelper {
  init(runtimePath: string): void;
  settings(settings: object): void;
  load(modules: NodeModule[], flow: FlowNode[], credentials?: object): Promise<void>;
  setFlows(flow: FlowNode[], type: 'full' | 'flows' | 'nodes'): Promise<void>;
  unload(): Promise<void>;
  /** Node-RED's own part that runs flows, and its events. */
  _redNodes: { setFlows(flow: FlowNode[], credentials: object, type: 'full' | 'flows' | 'nodes'): Promise<unknown> };
  _events: EventEmitter;
  getNode(id: string): Node;
  /** The spy on all log calls. */
  log(): { resetHistory(): void; getCalls(): { args: unknown[] }[] };
}

/** Real Node-RED without a server: the project's own test helper, which comes without types. */
// eslint-disable-next-line @typescript-eslint/no-require-imports
export const helper: TestHelper = require('node-red-node-test-helper');
helper.init(require.resolve('node-red'));
// Its own gives up when a flow has not started within 300 ms, which a busy machine needs now and then.
helper.setFlows = async (flow, type) => {
  const started = once(helper._events, 'flows:started', { signal: AbortSignal.timeout(PATIENCE) });
  await Promise.all([helper._redNodes.setFlows(flow, {}, type), started]);
};

const { status } = JSON.parse(readFileSync(join(ROOT, 'nodes/locales/en-US/engine.json'), 'utf8')) as { status: Record<string, string> };

/** The helper shows texts as their keys; texts that are numbers with units are shown as people see them. */
function showNumbers(RED: NodeAPI): void {
  const toKey = RED._;
  RED._ = ((key: string, values: Record<string, unknown>) => {
    const name = /:status\.(rate|running)$/.exec(key)?.[1];
    return name === undefined ? toKey(key) : status[name].replace(/__(\w+)__/g, (_, value: string) => String(values[value]));
  }) as typeof toKey;
}

/** Starts a flow that consists of the given kinds of nodes (and the helper's own). End it with `helper.unload()`. */
export async function startFlow(modules: NodeModule[], flow: FlowNode[], credentials: object = {}): Promise<void> {
  await helper.load([showNumbers, ...modules], flow, credentials);
}

/** The next `count` messages that arrive at a node. */
export async function messagesAt(id: string, count: number, withinMs = PATIENCE): Promise<NodeMessage[]> {
  const messages: NodeMessage[] = [];
  const node = helper.getNode(id);
  const collect = (msg: NodeMessage): unknown => messages.push(msg);
  node.on('input', collect);
  await until(
    () => messages.length >= count,
    withinMs,
    () => `${messages.length} of ${count} messages at ${id}`,
  );
  node.off('input', collect);
  return messages.slice(0, count);
}

/** Collects the first argument of each call of a node's `method` from now on. */
export function calls(id: string, method: 'error' | 'warn' | 'status' | 'log'): unknown[] {
  const made: unknown[] = [];
  helper.getNode(id).on(`call:${method}` as 'input', (call: unknown) => made.push((call as { args: unknown[] }).args[0]));
  return made;
}
