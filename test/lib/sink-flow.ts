import sink from '../../nodes/sink';
import { helper, type FlowNode } from './flow';
import { WebFlow } from './web-flow';

/** A sink, `sink`, that shows its pictures as "live" and passes its messages on to `out`. */
export const FLOW: FlowNode[] = [
  { id: 'sink', type: 'streamdiffusion-sink', name: 'live', wires: [['out']] },
  { id: 'out', type: 'helper' },
];

/** A sink on a web server of its own for each test of a `describe`. */
export class ShownSink {
  web!: WebFlow;

  async start(flow = FLOW, settings: object = {}): Promise<void> {
    this.web = await WebFlow.start([sink], flow, { settings });
  }

  /** Where its pages are: http://127.0.0.1:PORT/streamdiffusion */
  get address(): string {
    return this.web.address;
  }

  show(payload: unknown, more: object = {}): void {
    helper.getNode('sink').receive({ payload, ...more });
  }
}

/** A sink for the tests of a `describe`, each of which starts it. */
export function setSink(): ShownSink {
  const shown = new ShownSink();
  afterEach(() => shown.web.stop());
  return shown;
}
