import assert from 'node:assert/strict';
import { EngineError } from '../../../../engine/errors';
import { stopAllHosts } from '../../../../engine/host/client';
import { EngineUsers } from '../../../../nodes/lib/engine/node';
import { ErrorThrottle } from '../../../../nodes/lib/common/error-throttle';
import { until } from '../../../lib/until';

const camera = new EngineError('ESOURCE', 'the camera cannot be played: [tcp @ 0x55d0c8] refused');
const engine = new EngineError('EHOST', 'the engine ended');

describe('what is told in weeks', () => {
  it('a fault that stays for a night is one line', () => {
    const faults = new ErrorThrottle();
    let told = 0;
    for (let second = 0; second < 12 * 3600; second += 30) {
      const error = new EngineError('ESOURCE', camera.message.replace('55d0c8', second.toString(16)));
      if (faults.isNews(error, second * 1000)) told++;
    }
    assert.equal(told, 1);
    assert.match(faults.current?.message ?? '', /refused/);
  });

  it('two in turn are two lines, and one that comes and goes is one', () => {
    const faults = new ErrorThrottle();
    let told = 0;
    for (let frame = 0; frame < 100_000; frame++) {
      if (faults.isNews(frame % 2 ? camera : engine, frame * 40)) told++;
      if (frame % 3 === 0) faults.clear();
    }
    assert.equal(told, 2);
  });

  it('one that stayed away for a minute is news', () => {
    const faults = new ErrorThrottle();
    const told = [0, 30_000, 89_000, 150_000, 151_000].filter((now) => faults.isNews(camera, now));
    assert.deepEqual(told, [0, 150_000]);
    assert.throws(() => faults.report(engine), { code: 'EHOST' });
    faults.report(engine);
    faults.clear();
    assert.equal(faults.current, undefined);
  });

  it('ever different ones are not remembered for ever', () => {
    const faults = new ErrorThrottle();
    for (let k = 0; k < 10_000; k++) assert.ok(faults.isNews(new EngineError('EHOST', `reason ${k}`), k));
    assert.ok((Reflect.get(faults, 'met') as Map<string, number>).size <= 32);
  });

  it('an engine that ends again and again is written down less and less, and its return when it lasts', async () => {
    const lines: string[] = [];
    const write = (line: unknown): unknown => lines.push(String(line));
    const users = new EngineUsers(
      { log: write, warn: write, error: write },
      () => ({ model: 'starter', restarts: { first: 1, last: 1 } }),
      (key) => key,
      300,
    );
    let [ends, isOver] = [0, false];
    const host = users.register({
      onState: ({ phase }) => {
        if (phase === 'restarting') ends++;
        if (phase === 'starting' && !isOver && host.pid) process.kill(host.pid, 'SIGKILL');
      },
    });
    const assassin = setInterval(() => host.state.phase === 'starting' && !isOver && host.pid && process.kill(host.pid, 'SIGKILL'), 5);
    await until(() => ends >= 15);
    isOver = true;
    clearInterval(assassin);
    await until(() => lines.includes('log.restored'));
    await users.release();
    await stopAllHosts();
    const count = (line: string): number => lines.filter((each) => each === line).length;
    assert.deepEqual(
      [count('log.restarting'), count('log.restartingOften'), count('log.ready'), count('log.restored')],
      [7, 1, 0, 1],
      lines.join(),
    );
  });
});
