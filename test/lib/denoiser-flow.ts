import type { NodeMessage } from 'node-red';
import { stopAllHosts } from '../../engine/host/client';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import { helper, PATIENCE, startFlow, until, type FlowNode } from './flow';
import { keepLedger, type Ledger } from './ledger';
import { removeModelFolders } from './model-folder';
import { jpegs } from './pictures';

/** A denoiser, `denoiser`, of 64 × 64 on an `engine`, whose pictures arrive at `out`. */
export function flowWith(fields: object = {}, engineFields: object = {}): FlowNode[] {
  return [
    { id: 'engine', type: 'streamdiffusion-engine', threads: '1', ...engineFields },
    { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', width: '64', height: '64', ...fields, wires: [['out']] },
    { id: 'out', type: 'helper' },
  ];
}

/** A denoiser in a flow of its own for each test of a `describe`. */
export class FlowDenoiser {
  /** What became of the messages since the node started. */
  ledger!: Ledger;
  /** Eight pictures that differ. */
  frames!: Buffer[];

  async start(fields: object = {}, engineFields: object = {}): Promise<void> {
    await this.startIn(flowWith(fields, engineFields));
  }

  /** Starts it in a flow that has more nodes. */
  async startIn(flow: FlowNode[]): Promise<void> {
    await startFlow([engine, denoiser], flow);
    this.ledger = keepLedger('denoiser', ['out']);
  }

  give(msg: object): void {
    helper.getNode('denoiser').receive(msg as NodeMessage);
  }

  /** Gives a frame and waits until its message has ended. */
  async giveAndWait(msg: object): Promise<void> {
    const before = this.ledger.ended;
    this.give(msg);
    await this.until(() => this.ledger.ended > before);
  }

  /** Waits for a condition; says what became of the messages when it does not come true. */
  async until(condition: () => boolean): Promise<void> {
    await until(condition, PATIENCE, () => this.outcome);
  }

  get out(): NodeMessage[] {
    return this.ledger.sent[0];
  }

  get outcome(): string {
    return `${this.out.length} sent, ${this.ledger.done.length} done, errors ${this.ledger.errors.join(' ')}`;
  }
}

/** A denoiser for the tests of a `describe`, each of which starts it. */
export function setDenoiser(): FlowDenoiser {
  const shared = new FlowDenoiser();
  before(async () => {
    shared.frames = (await jpegs(8)).map(({ data }) => Buffer.from(data));
  });
  afterEach(() => helper.unload());
  after(async () => {
    await stopAllHosts();
    await removeModelFolders();
  });
  return shared;
}
