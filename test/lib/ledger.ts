import { hooks } from '@node-red/util';
import type { NodeMessage } from 'node-red';
import { helper } from './flow';

/** How the messages that a node was given ended. */
export interface Ledger {
  /** Messages sent, by output. */
  sent: NodeMessage[][];
  /** Messages that ended without an error. */
  done: NodeMessage[];
  /** `code` of the errors with which the others ended. */
  errors: string[];
  /** How many messages have ended. */
  readonly ended: number;
}

interface Completion {
  msg: NodeMessage;
  error?: Error & { code?: string };
  node: { id: string };
}

/**
 * Starts recording how a node's messages end, through Node-RED's own hook at the end of each.
 *
 * @param outputs ids of the helper nodes that its outputs are wired to
 */
export function keepLedger(id: string, outputs: string[]): Ledger {
  const done: NodeMessage[] = [];
  const errors: string[] = [];
  const seen = new Set<NodeMessage>();
  const label = `ledger-${id.replaceAll('.', '-')}`;
  hooks.remove(`*.${label}`);
  hooks.add(`onComplete.${label}`, ({ msg, error, node }: Completion) => {
    if (node.id !== id) return;
    if (seen.has(msg)) errors.push('ENDED TWICE');
    seen.add(msg);
    if (error) errors.push(error.code ?? 'NO CODE');
    else done.push(msg);
  });
  return {
    sent: outputs.map(collect),
    done,
    errors,
    get ended() {
      return done.length + errors.length;
    },
  };
}

function collect(id: string): NodeMessage[] {
  const messages: NodeMessage[] = [];
  helper.getNode(id).on('input', (msg) => messages.push(msg));
  return messages;
}
