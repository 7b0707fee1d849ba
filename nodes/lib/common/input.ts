import type { Node, NodeMessage, NodeMessageInFlow } from 'node-red';
import { EngineError } from '../../../engine/errors';

/** One message for output 1, or an array with one entry (a message, several, or null) for each output. */
export type Send = (msg: NodeMessage | (NodeMessage | NodeMessage[] | null)[]) => void;

/** A node's handler of messages. Returning (or resolving) means done; throwing (or rejecting) means done with that error. */
export type InputHandler = (msg: NodeMessageInFlow, send: Send) => void | Promise<void>;

/**
 * The only place where a node listens to 'input'. Every message ends in exactly one `done`, and errors always carry a `code`,
 * so that Catch and Complete nodes can rely on both. A rejected promise never escapes, since that would end Node-RED's process.
 */
export function onInput(node: Node, handle: InputHandler): void {
  node.on('input', (msg, send, done) => {
    settle(handle, msg, send)
      .then(done)
      .catch((thrown: unknown) => node.error(withCode(thrown)));
  });
}

async function settle(handle: InputHandler, msg: NodeMessageInFlow, send: Send): Promise<Error | undefined> {
  try {
    await handle(msg, send);
    return undefined;
  } catch (thrown) {
    return withCode(thrown);
  }
}

/** The thrown value as an Error with a `code`; one that has a code already is kept as it is. */
export function withCode(thrown: unknown): Error & { code: string } {
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') return thrown as Error & { code: string };
  return EngineError.from(thrown, 'EINTERNAL', 'a defect of this node, please report it: ');
}
