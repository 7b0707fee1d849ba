import type { Node, NodeAPI, NodeDef } from 'node-red';
import { Status } from './status';

/** The part of Node-RED's flow that a node logs through. */
interface Flow {
  log(entry: { msg: unknown }): void;
}

/** Creates the node in Node-RED. Returns its status line. */
export function startNode(RED: NodeAPI, node: Node, def: NodeDef): Status {
  RED.nodes.createNode(node, def);
  logSentences(node);
  return new Status(node, RED._);
}

/**
 * The Debug sidebar shows an Error as a collapsed object, but a text as it is. So the log and the sidebar get the sentence,
 * while Catch and Complete nodes get the Error itself with its `code`. A defect keeps its stack.
 */
export function logSentences(node: Node): void {
  const { _flow: flow } = node as Node & { _flow?: Flow };
  if (typeof flow?.log !== 'function') return;
  const log = (entry: { msg: unknown }): void => flow.log({ ...entry, msg: sentenceOf(entry.msg) });
  Object.assign(node, { _flow: Object.create(flow, { log: { value: log } }) as Flow });
}

function sentenceOf(logged: unknown): unknown {
  const isDefect = logged instanceof Error && 'code' in logged && logged.code === 'EINTERNAL';
  return logged instanceof Error && logged.message && !isDefect ? logged.message : logged;
}
