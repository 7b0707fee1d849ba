import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lib/reference';
import { Server } from '../lib/server';
import { brightness, newestPicture } from '../lib/sink-picture';
import { PATIENCE } from '../lib/until';
import { BEGINS_TO_SHOW } from '../lib/starter';

type Flow = { id: string; type: string; name?: string }[];

/** The first example as the package's first version saved it; what came later is not in its nodes. */
const SAVED = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/flows/first-version.json'), 'utf8')) as Flow;
/** Under a name of its own, so that no picture of the flow before counts. */
const FLOW = SAVED.map((node) => (node.type === 'streamdiffusion-sink' ? { ...node, name: 'of-old' } : node));

describe('a flow that the first version saved', () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
    await server.ready();
    await server.deploy(FLOW);
  });
  after(async () => server.stop());

  const inject = async (id: string): Promise<void> =>
    assert.equal((await fetch(`${server.address}/inject/${id}`, { method: 'POST' })).status, 200);
  const brightnessNow = async (): Promise<number> => brightness(await newestPicture(server, 'of-old'));

  it('paints, and follows its prompts', async () => {
    const sunset = await brightnessNow();
    await inject('live-picture-night');
    let night = sunset;
    for (const end = performance.now() + PATIENCE; night > sunset - BEGINS_TO_SHOW && performance.now() < end; )
      night = await brightnessNow();
    assert.ok(night < sunset - BEGINS_TO_SHOW, `sunset ${sunset}, then ${night}`);
  });

  it('is kept as it was saved', async () => {
    const { flows } = (await (await fetch(`${server.address}/flows`, { headers: { 'Node-RED-API-Version': 'v2' } })).json()) as {
      flows: Flow;
    };
    assert.deepEqual(flows, FLOW);
  });

  it('has nothing to complain about', () => assert.doesNotMatch(server.output, /\[error\]|\[warn\] \[streamdiffusion/));
});
