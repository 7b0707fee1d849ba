import type { NodeMessage } from 'node-red';
import type { PromptSpec, Transition } from '../../engine/host/protocol/messages';
import prompt from '../../nodes/prompt';
import { helper, startFlow } from './flow';
import { keepLedger, type Ledger } from './ledger';
import { jpeg } from './pictures';

/** What the dialog of {@link FlowPrompt} says. */
export const DIALOG = { prompt: [{ text: 'hills', weight: 1 }] };

export function transitionOf(msg: NodeMessage | undefined): Transition | undefined {
  return (msg?.conditioning as PromptSpec | undefined)?.transition;
}

/** A prompt encoder, `prompt`, in a flow of its own for each test of a `describe`; its messages arrive at `out`. */
export class FlowPrompt {
  /** What became of the messages since the node started. */
  ledger!: Ledger;
  /** A JPEG. */
  picture!: Buffer;

  async start(fields: object = {}): Promise<void> {
    await startFlow(
      [prompt],
      [
        { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'hills', ...fields, wires: [['out']] },
        { id: 'out', type: 'helper' },
      ],
    );
    this.ledger = keepLedger('prompt', ['out']);
  }

  /** Gives a message, waits until it has ended, and returns what was sent because of it. */
  async give(msg: object): Promise<NodeMessage | undefined> {
    const [sent] = await this.giveAtOnce(msg);
    return sent;
  }

  /** Gives messages with no time between them; what was sent because of each. */
  async giveAtOnce(...msgs: object[]): Promise<(NodeMessage | undefined)[]> {
    const given = msgs.map((msg) => ({ ...msg }) as NodeMessage);
    for (const msg of given) helper.getNode('prompt').receive(msg);
    return Promise.all(given.map(async (msg) => (await this.ledger.endOf(msg))[0].at(-1)));
  }
}

/** A prompt encoder for the tests of a `describe`, each of which starts it. */
export function setPrompt(): FlowPrompt {
  const encoder = new FlowPrompt();
  before(async () => {
    encoder.picture = Buffer.from((await jpeg({ r: 9, g: 90, b: 200 })).data);
  });
  afterEach(() => helper.unload());
  return encoder;
}
