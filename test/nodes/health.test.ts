import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express, RequestHandler } from 'express';
import type { NodeAPI, NodeMessage } from 'node-red';
import { stopAllHosts } from '../../engine/host/client';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import type { Health } from '../../nodes/lib/engine/health';
import type { EngineNode } from '../../nodes/lib/engine/node';
import type { EngineReport } from '../../nodes/lib/common/reports';
import sink from '../../nodes/sink';
import { helper, messagesAt, startFlow, until, type FlowNode } from '../lib/flow';
import { jpegs } from '../lib/pictures';
import { eventually } from '../lib/until';

const FLOW: FlowNode[] = [
  { id: 'engine', type: 'streamdiffusion-engine', threads: '1' },
  { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', width: '64', height: '64', wires: [['frames'], ['status']] },
  { id: 'sink', type: 'streamdiffusion-sink', name: 'live' },
  { id: 'frames', type: 'helper' },
  { id: 'status', type: 'helper' },
];

describe('observability', () => {
  let app: Express;
  let server: Server;

  async function start(flow: FlowNode[], settings: object = {}): Promise<void> {
    helper.settings(settings);
    await startFlow(
      [
        (RED: NodeAPI) => {
          app = RED.httpNode;
        },
        engine,
        denoiser,
        sink,
      ],
      flow,
    );
    server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  }
  afterEach(async () => {
    await helper.unload();
    await stopAllHosts();
    server.closeAllConnections();
    server.close();
  });
  const health = async (): Promise<Health & { code: number }> => {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/streamdiffusion/health`);
    return { code: response.status, ...((await response.json()) as Health) };
  };
  const pid = async (): Promise<number> => {
    const user = { onState: () => undefined };
    const node = helper.getNode('engine') as EngineNode;
    const host = node.register(user);
    await node.deregister(user);
    return host.pid as number;
  };

  it('is well while no flow uses an engine', async () => {
    await start([FLOW[2]]);
    assert.deepEqual(await health(), { code: 200, status: 'ok', engines: [] });
  });

  it('answers 503 until the engine is ready and while it is away, 200 otherwise, with the figures of each stream', async () => {
    await start(FLOW);
    const early = await health();
    assert.deepEqual([early.code, early.status], [503, 'unwell']);
    const [picture] = await jpegs(1);
    const painted = messagesAt('frames', 1);
    helper.getNode('denoiser').receive({ payload: Buffer.from(picture.data), topic: 'camera' });
    await painted;
    const well = await health();
    const { since, memoryBytes, streams, ...rest } = well.engines[0];
    assert.deepEqual([well.code, rest], [200, { phase: 'ready', model: 'starter', executionProvider: 'cpu', restarts: 0 }]);
    assert.ok(Date.now() - Date.parse(since) < 60_000 && memoryBytes >= 0);
    const [{ stream, in: given, out, lastFrameAgeMs }] = streams;
    assert.deepEqual([stream, given, out], ['camera', 1, 1]);
    assert.ok(lastFrameAgeMs !== null && lastFrameAgeMs < 10_000);

    process.kill(await pid(), 'SIGKILL');
    let away = await health();
    await eventually(async () => {
      away = await health();
      return away.engines[0].phase === 'restarting' || away.engines[0].restarts === 1;
    });
    await eventually(async () => {
      away = await health();
      return away.code === 200 && away.engines[0].restarts === 1;
    });
    assert.equal(away.engines[0].streams[0].out, 1, 'the stream is the same one');
  });

  it('sends the same once a second from the second output of the denoiser', async () => {
    await start(FLOW);
    const arrivals: number[] = [];
    helper.getNode('status').on('input', () => arrivals.push(performance.now()));
    const messages: NodeMessage[] = await messagesAt('status', 3);
    for (const { payload, topic } of messages) {
      assert.equal(topic, 'status');
      assert.ok(['starting', 'loading', 'ready'].includes((payload as EngineReport).phase));
    }
    assert.ok(arrivals[2] - arrivals[0] > 1500);
  });

  it('has one Catch-able error for an outage, also when no frame was in flight', async () => {
    await start([
      { id: 'tab', type: 'tab' },
      ...[...FLOW, { id: 'catcher', type: 'catch', scope: ['denoiser'], wires: [['caught']] }, { id: 'caught', type: 'helper' }].map(
        (node) => (node.id === 'engine' ? node : { ...node, z: 'tab' }),
      ),
    ]);
    await eventually(async () => (await health()).code === 200);
    const caught: NodeMessage[] = [];
    helper.getNode('caught').on('input', (msg) => caught.push(msg));
    process.kill(await pid(), 'SIGKILL');
    await until(() => caught.length > 0);
    await eventually(async () => {
      const now = await health();
      return now.code === 200 && now.engines[0].restarts === 1;
    });
    assert.deepEqual(
      caught.map(({ error }) => (error as { code: string }).code),
      ['EHOST'],
    );
  });

  it('stands behind the middleware of the settings, and says nothing about where things lie', async () => {
    const guard: RequestHandler = (_request, response) => void response.status(401).json({});
    await start(FLOW, { httpNodeMiddleware: guard });
    assert.equal((await health()).code, 401);
  });
});
