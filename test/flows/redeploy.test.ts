import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readMjpeg } from '../lib/mjpeg';
import { type Holding, holdingOf, redeploy } from '../lib/redeploy';
import { Server } from '../lib/server';
import { PATIENCE, until } from '../lib/until';

describe('a flow that is changed over and over while it paints', function () {
  this.timeout(180_000);
  let server: Server;

  before(async function () {
    if (!existsSync('/proc/self/statm')) this.skip(); // what a process holds is read there
    server = await Server.start();
    await server.ready();
  });
  after(() => server?.stop());

  it('leaves no process, socket or file behind, and goes on', async () => {
    const pid = server.child.pid as number;
    const viewer = readMjpeg(`${server.address}/streamdiffusion/live.mjpg`);
    await viewer.next();
    await viewer.return();
    const before = holdingOf(pid);
    const seen: Holding[] = [];
    await redeploy(server, 36, 3, (_count, holding) => seen.push(holding));
    const after = readMjpeg(`${server.address}/streamdiffusion/live.mjpg`);
    for (let k = 0; k < 3; k++) assert.ok((await after.next()).value);
    await after.return();
    // An engine whose settings were changed lives on for some seconds, in case that somebody wants it back.
    await until(
      () => holdingOf(pid).children <= before.children,
      PATIENCE,
      () => JSON.stringify(holdingOf(pid)),
    );
    await until(
      () => holdingOf(pid).files <= before.files + 4,
      PATIENCE,
      () => `${before.files}, then ${holdingOf(pid).files} files`,
    );
    assert.ok(
      seen.every(({ children }) => children <= before.children + 3),
      seen.map(({ children }) => children).join(),
    );
    assert.doesNotMatch(server.output, /Close timed out|MaxListeners|uncaught|unhandled/i);
  });
});
