import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import sharp from 'sharp';
import { controlPool } from '../../engine/image/codec-pool';
import control from '../../nodes/control';
import { helper, startFlow, until, type FlowNode } from './flow';
import { keepLedger, type Ledger } from './ledger';
import { jpegs } from './pictures';

/** A control map, `control`, whose messages arrive at `out`. */
export function flowWith(fields: object = {}): FlowNode[] {
  return [
    { id: 'control', type: 'streamdiffusion-control', ...fields, wires: [['out']] },
    { id: 'out', type: 'helper' },
  ];
}

export type Message = Record<string, unknown>;

/** The map that a message carries under a name. */
export const mapOf = (msg: Message | undefined, name: string): unknown => (msg?.pictures as Message | undefined)?.[name];

export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
  format?: string;
}

export async function pixelsOf(file: unknown): Promise<Pixels> {
  assert.ok(Buffer.isBuffer(file), 'a Buffer with a file');
  const { format, channels } = await sharp(file).metadata();
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  // A grey file becomes three equal channels.
  return { data: data.filter((_, at) => at % info.channels === 0), width: info.width, height: info.height, channels, format };
}

/** A control map in a flow of its own for each test of a `describe`. */
export class ControlMap {
  /** What became of the messages since the node started. */
  ledger!: Ledger;
  /** Six pictures that differ. */
  frames!: Buffer[];

  async start(fields: object = {}): Promise<void> {
    await startFlow([control], flowWith(fields));
    this.watch();
    // A room that the node of the last test has learned.
    await this.give({ reset: true });
    this.watch();
  }

  /** Begins the ledger of the node that there is now. */
  watch(): void {
    this.ledger = keepLedger('control', ['out']);
  }

  /** Gives a message and waits until it has ended; what came out. */
  async give(msg: object): Promise<Message | undefined> {
    const [ended, sent] = [this.ledger.ended, this.ledger.sent[0].length];
    helper.getNode('control').receive(msg as NodeMessage);
    await until(() => this.ledger.ended === ended + 1);
    return this.ledger.sent[0].slice(sent).at(-1) as Message | undefined;
  }
}

/** A control map for the tests of a `describe`, each of which starts it. */
export function setControlMap(): ControlMap {
  const map = new ControlMap();
  before(async () => {
    map.frames = (await jpegs(6)).map(({ data }) => Buffer.from(data));
  });
  afterEach(() => helper.unload());
  after(() => controlPool.close());
  return map;
}
