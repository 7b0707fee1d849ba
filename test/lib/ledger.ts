import { hooks } from '@node-red/util';
import type { NodeMessage } from 'node-red';
import { helper, PATIENCE, until } from './flow';

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
  /** Resolves when this message has ended, whatever others do meanwhile, to what was sent of it, by output. */
  endOf(msg: NodeMessage): Promise<NodeMessage[][]>;
}

interface Completion {
  msg: NodeMessage;
  error?: Error & { code?: string };
  node: { id: string };
}

/**
 * Starts recording how a node's messages end, through Node-RED's own hook at the end of each. What a node sends arrives a turn
 * of the event loop later, so ends are noted a turn later as well: once a message has ended, what was sent of it is there.
 *
 * @param outputs ids of the helper nodes that its outputs are wired to
 */
export function keepLedger(id: string, outputs: string[]): Ledger {
  const done: NodeMessage[] = [];
  const errors: string[] = [];
  const seen = new Set<NodeMessage>();
  const label = `ledger-${id.replaceAll('.', '-')}`;
  hooks.remove(`*.${label}`);
  const note = ({ msg, error }: Completion): void => {
    if (seen.has(msg)) errors.push('ENDED TWICE');
    seen.add(msg);
    if (error) errors.push(error.code ?? 'NO CODE');
    else done.push(msg);
  };
  hooks.add(`onComplete.${label}`, (completion: Completion) => void (completion.node.id === id && setImmediate(note, completion)));
  const sent = outputs.map(collect);
  return {
    sent,
    done,
    errors,
    get ended() {
      return done.length + errors.length;
    },
    async endOf({ _msgid: own }) {
      await until(
        () => [...seen].some(({ _msgid }) => _msgid === own),
        PATIENCE,
        () => `message ${own} did not end: ${done.length} others did, errors ${errors.join(' ')}`,
      );
      return sent.map((output) => output.filter(({ _msgid }) => _msgid === own));
    },
  };
}

function collect(id: string): NodeMessage[] {
  const messages: NodeMessage[] = [];
  helper.getNode(id).on('input', (msg) => messages.push(msg));
  return messages;
}
