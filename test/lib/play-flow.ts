import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeMessage } from 'node-red';
import sink from '../../nodes/sink';
import { coloured } from './colours';
import { helper, until, type FlowNode } from './flow';
import { WebFlow, type Visitor } from './web-flow';

/** A sink, `sink`, with a performance page, whose two outputs arrive at `pictures` and `controls`. */
export const SINK: FlowNode = {
  id: 'sink',
  type: 'streamdiffusion-sink',
  name: 'stage',
  controls: 'open',
  wires: [['pictures'], ['controls']],
};
export const FLOW: FlowNode[] = [SINK, { id: 'pictures', type: 'helper' }, { id: 'controls', type: 'helper' }];

/** What a page hears. */
export interface News {
  values?: { prompt?: string; params?: Record<string, number>; weights?: Record<string, number> };
  scenes?: ({ name: string; prompt?: string; picture?: string } | null)[];
  show?: { blackout: boolean; freeze: boolean; recording: boolean };
  error?: { code: string; message: string };
  file?: string;
  n?: number;
}

export const jpegOf = (colour: string): Promise<Buffer> => coloured(colour).jpeg().toBuffer();

/** A performance page in a flow of its own for each test of a `describe`. */
export class PlayFlow {
  web!: WebFlow;
  /** Where Node-RED keeps what it is to remember, from one flow to the next. */
  folder!: string;
  /** Messages of the second output: what pages have set. */
  set: (NodeMessage & { prompt?: string; params?: object; [name: string]: unknown })[] = [];
  /** Messages of the first output. */
  shown: NodeMessage[] = [];
  private count = 0;

  async start(more: object = {}, settings: object = {}): Promise<void> {
    const flow = [{ ...SINK, ...more }, ...FLOW.slice(1)];
    this.web = await WebFlow.start([sink], flow, { settings: { userDir: this.folder, ...settings } });
    this.watch();
  }

  /** Begins to write down what the outputs send. */
  watch(): void {
    this.set = [];
    this.shown = [];
    helper.getNode('controls').on('input', (msg) => this.set.push(msg));
    helper.getNode('pictures').on('input', (msg) => this.shown.push(msg));
  }

  enter(): Promise<Visitor> {
    return this.web.enter('stage/play');
  }

  /** A number that no order has had. */
  nextNumber(): number {
    return ++this.count;
  }

  /** Gives an order; all that the page has heard when it is answered. */
  async order(page: Visitor, what: object): Promise<News> {
    const n = this.nextNumber();
    const before = page.heard.length;
    page.send(JSON.stringify({ n, ...what }));
    await until(() => page.heard.some((news) => (news as News).n === n));
    return Object.assign({}, ...(page.heard.slice(before) as object[])) as News;
  }
}

/** A performance page for the tests of a `describe`, each of which starts it. */
export function setPlayFlow(): PlayFlow {
  const play = new PlayFlow();
  before(async () => {
    play.folder = await mkdtemp(join(tmpdir(), 'play-'));
  });
  after(() => rm(play.folder, { recursive: true, force: true }));
  afterEach(() => play.web.stop());
  return play;
}
