import assert from 'node:assert/strict';
import { NewestWins } from '../../../engine/util/newest-wins';

describe('newest wins', () => {
  it('does one job at a time, the newest of those that waited next', async () => {
    const place = new NewestWins();
    const log: string[] = [];
    const job = (name: string) => async (): Promise<void> => {
      log.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(`${name} ends`);
    };
    const turns = await Promise.all(['a', 'b', 'c', 'd'].map((name) => place.run(job(name))));
    assert.deepEqual(turns, [true, false, false, true]);
    assert.deepEqual(log, ['a begins', 'a ends', 'd begins', 'd ends']);
  });

  it('lets nobody slip in between the end of a job and the turn of the next', async () => {
    const place = new NewestWins();
    let running = 0;
    const job = async (): Promise<void> => {
      assert.equal(++running, 1);
      await Promise.resolve();
      running--;
    };
    const all: Promise<boolean>[] = [];
    for (let k = 0; k < 50; k++) {
      all.push(place.run(job));
      if (k % 3 === 0) await Promise.resolve();
    }
    assert.ok((await Promise.all(all)).some((hadTurn) => hadTurn));
  });

  it('goes on after a job that failed, and tells its owner', async () => {
    const place = new NewestWins();
    const failing = place.run(async () => Promise.reject(new Error('torn')));
    const next = place.run(async () => undefined);
    await assert.rejects(failing, /torn/);
    assert.equal(await next, true);
    assert.equal(await place.run(async () => undefined), true);
  });

  it('sends a waiting job away when it is cleared', async () => {
    const place = new NewestWins();
    const first = place.run(() => new Promise((resolve) => setTimeout(resolve, 5)));
    const second = place.run(async () => undefined);
    place.clear();
    assert.deepEqual(await Promise.all([first, second]), [true, false]);
  });
});
