import assert from 'node:assert/strict';
import { coloured } from '../lib/colours';
import { helper, type FlowNode } from '../lib/flow';
import { readMjpeg } from '../lib/mjpeg';
import { FLOW, setSink } from '../lib/sink-flow';
import { eventually } from '../lib/until';

describe('sink with a name', () => {
  const sink = setSink();

  it('knows no other names', async () => {
    await sink.start();
    for (const path of ['other', 'other.mjpg', 'live.png', 'live.mjpg.jpg', 'LIVE', '%2e%2e', '__proto__']) {
      assert.equal((await fetch(`${sink.address}/${path}`)).status, 404, path);
    }
  });

  it('refuses a name that is taken or cannot stand in an address, and leaves the first one alone', async () => {
    const names = ['live', 'Live', 'a/b', '', '__proto__'.repeat(10)];
    await sink.start([...FLOW, ...names.map((name, i) => ({ id: `other${i}`, type: 'streamdiffusion-sink', name }))]);
    for (const i of names.keys()) {
      const node = helper.getNode(`other${i}`) as unknown as { error: { args: unknown[][] }; status: { args: unknown[][] } };
      const errors = (node.error.args as unknown[][]).map(([error]) => error as { code?: string; message?: string });
      assert.ok(
        errors.some((error) => error.code === 'EBADPARAM' && error.message?.includes(`"${names[i]}"`)),
        `${names[i]}: ${JSON.stringify(errors)}`,
      );
    }
    const jpeg = await coloured('#f00').jpeg().toBuffer();
    sink.show(jpeg);
    helper.getNode('other0').receive({ payload: await coloured('#00f').jpeg().toBuffer() });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(Buffer.from(await (await fetch(`${sink.address}/live.jpg`)).arrayBuffer()), jpeg);
  });

  it('gets the name that another sink had as soon as that one lets go of it, and not while that one is deployed again', async () => {
    const flow = (name: string, fit = 'contain'): FlowNode[] => [
      ...FLOW.map((node) => (node.id === 'sink' ? { ...node, name, fit } : node)),
      { id: 'other', type: 'streamdiffusion-sink', name: 'live' },
    ];
    await sink.start(flow('live'));
    const [first, second] = await Promise.all(['#f00', '#00f'].map((colour) => coloured(colour).jpeg().toBuffer()));
    const served = async (): Promise<Buffer> => Buffer.from(await (await fetch(`${sink.address}/live.jpg`)).arrayBuffer());
    const showBoth = (): void => {
      sink.show(first);
      helper.getNode('other').receive({ payload: second });
    };
    await helper.setFlows(flow('live', 'cover'), 'nodes');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    showBoth();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(await served(), first);
    await helper.setFlows(flow('stage', 'cover'), 'nodes');
    showBoth();
    await eventually(async () => (await served()).equals(second));
  });

  it('ends its streams when it goes, and its name is free again', async () => {
    await sink.start();
    const viewer = readMjpeg(`${sink.address}/live.mjpg`);
    sink.show(await coloured('#f00').jpeg().toBuffer());
    await viewer.next();
    const renamed = FLOW.map((node) => (node.id === 'sink' ? { ...node, name: 'stage' } : node));
    await helper.setFlows(renamed, 'nodes');
    assert.equal((await viewer.next()).done, true);
    assert.equal((await fetch(`${sink.address}/live.jpg`)).status, 404);
    assert.equal((await fetch(`${sink.address}/stage.jpg`)).status, 503);
    await helper.setFlows(FLOW, 'nodes');
    assert.equal((await fetch(`${sink.address}/live.jpg`)).status, 503);
  });
});
