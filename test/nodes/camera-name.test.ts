import assert from 'node:assert/strict';
import { FLOW, setCameraFlow } from '../lib/camera-flow';
import { calls, helper, until, type FlowNode } from '../lib/flow';
import { eventually } from '../lib/until';

describe('camera page with a name', () => {
  const camera = setCameraFlow();

  it('refuses a name that is taken or cannot stand in an address', async () => {
    await camera.start([
      FLOW[0],
      { ...FLOW[0], id: 'second' },
      { ...FLOW[0], id: 'third', name: 'My Camera' },
      { ...FLOW[0], id: 'fourth', name: 'health' },
    ]);
    for (const [id, sentence] of [
      ['second', /another camera page is called "stage"/],
      ['third', /not "My Camera"/],
      ['fourth', /"health" is an address of its own/],
    ] as const) {
      const { args } = (helper.getNode(id) as unknown as { error: { args: Error[][] } }).error;
      assert.ok(
        args.some(([error]) => sentence.test(String(error))),
        `${id}: ${args}`,
      );
    }
  });

  it('gets the name that another one had as soon as that one lets go of it, and not while that one is deployed again', async () => {
    const flow = (name: string, width = '320'): FlowNode[] => [
      ...FLOW.map((node) => (node.id === 'source' ? { ...node, name, width } : node)),
      { ...FLOW[0], id: 'other', width: '640', wires: [['out']] },
    ];
    await camera.start(flow('stage'));
    const other = helper.getNode('other');
    const wants = async (): Promise<number> => {
      const visitor = await camera.enter();
      await until(() => visitor.heard.length > 0);
      visitor.close();
      return (visitor.heard[0] as { width: number }).width;
    };
    const errors = calls('other', 'error');
    other.receive({ payload: 'start' });
    await until(() => errors.length === 2);
    await helper.setFlows(flow('stage', '480'), 'nodes');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(await wants(), 480);

    await helper.setFlows(flow('hall', '480'), 'nodes');
    const isServed = async (): Promise<boolean> => {
      const socket = await camera.web.socket('stage/camera');
      if (typeof socket !== 'number') socket.close();
      return typeof socket !== 'number';
    };
    await eventually(isServed);
    assert.equal(await wants(), 640);
    const visitor = await camera.enter();
    await until(() => visitor.heard.length > 0);
    camera.arrived.length = 0;
    visitor.send(camera.jpeg);
    await until(() => camera.arrived.length === 1);
    other.receive({ payload: 'stop' });
    await until(() => (visitor.heard.at(-1) as { running?: boolean }).running === false);
    assert.equal(errors.length, 2, 'one when it was deployed, one for the first message');
  });

  it('ends with its node, and its name is free again', async () => {
    await camera.start();
    const visitor = await camera.enter();
    const renamed = FLOW.map((node) => (node.id === 'source' ? { ...node, name: 'hall' } : node));
    await helper.setFlows(renamed, 'nodes');
    assert.equal(await visitor.closed, 1001);
    assert.equal(await camera.web.socket('stage/camera'), 404);
    (await camera.enter('hall/camera')).close();
  });
});
