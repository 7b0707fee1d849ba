import type { NodeMessage } from 'node-red';
import sink from '../../nodes/sink';
import source from '../../nodes/source';
import { coloured } from './colours';
import { helper, type FlowNode } from './flow';
import { WebFlow, type Guard, type Visitor } from './web-flow';

/** A source, `source`, with the camera page "stage", whose pictures arrive at `out`. */
export const FLOW: FlowNode[] = [
  {
    id: 'source',
    type: 'streamdiffusion-source',
    kind: 'browser',
    name: 'stage',
    width: '320',
    height: '240',
    fps: '50',
    topic: 'guests',
    wires: [['out']],
  },
  { id: 'out', type: 'helper' },
];
/** A camera page in a flow of its own for each test of a `describe`. */
export class CameraFlow {
  web!: WebFlow;
  /** A green picture. */
  jpeg!: Buffer;
  /** What the source has sent since it started. */
  readonly arrived: NodeMessage[] = [];

  async start(flow = FLOW, options: { settings?: object; guard?: Guard } = {}): Promise<void> {
    this.web = await WebFlow.start([source, sink], flow, options);
    this.arrived.length = 0;
    helper.getNode('out')?.on('input', (msg) => this.arrived.push(msg));
  }

  enter(path = 'stage/camera', headers = {}): Promise<Visitor> {
    return this.web.enter(path, headers);
  }
}

/** A camera page for the tests of a `describe`, each of which starts it. */
export function setCameraFlow(): CameraFlow {
  const camera = new CameraFlow();
  before(async () => {
    camera.jpeg = await coloured('#0f0').jpeg().toBuffer();
  });
  afterEach(() => camera.web.stop());
  return camera;
}
