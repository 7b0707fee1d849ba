import assert from 'node:assert/strict';
import { Server } from '../lib/server';
import { brightness, newestPicture } from '../lib/sink-picture';
import { PATIENCE } from '../lib/until';
import { BEGINS_TO_SHOW, DAY_ABOVE_NIGHT, SAME_PROMPT } from '../lib/starter';

interface Health {
  engines: { streams: unknown[] }[];
}

describe('the example with two streams on one engine', () => {
  let server: Server;

  before(async () => {
    server = await Server.start(['--example', 'Two streams one engine']);
    await server.ready();
  });
  after(async () => server.stop());

  const brightnessOf = async (sink: string): Promise<number> => brightness(await newestPicture(server, sink));

  it('paints day on the left and night on the right', async () => {
    const [left, right] = [await brightnessOf('left'), await brightnessOf('right')];
    assert.ok(left > right + DAY_ABOVE_NIGHT, `left ${left}, right ${right}`);
  });

  it('with one engine that has both streams', async () => {
    const { engines } = (await (await fetch(`${server.address}/streamdiffusion/health`)).json()) as Health;
    assert.deepEqual(
      engines.map(({ streams }) => streams.length),
      [2],
    );
  });

  it('changes one and leaves the other as it is', async () => {
    const left = await brightnessOf('left');
    const night = await brightnessOf('right');
    assert.equal((await fetch(`${server.address}/inject/two-streams-right-sunset`, { method: 'POST' })).status, 200);
    let right = night;
    for (const end = performance.now() + PATIENCE; right < night + BEGINS_TO_SHOW && performance.now() < end; )
      right = await brightnessOf('right');
    assert.ok(right > night + BEGINS_TO_SHOW, `night ${night}, then ${right}`);
    assert.ok(Math.abs((await brightnessOf('left')) - left) < SAME_PROMPT, 'the left one is as it was');
  });

  it('had nothing to complain about', () => assert.doesNotMatch(server.output, /\[error\]/));
});
