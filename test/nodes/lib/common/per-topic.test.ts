import assert from 'node:assert/strict';
import { RateLimit } from '../../../../nodes/lib/common/rate-limit';
import { PerTopic } from '../../../../nodes/lib/common/per-topic';

describe('things by topic', () => {
  const topics = (limit: number): { kept: PerTopic<string>; dropped: string[] } => {
    const dropped: string[] = [];
    return {
      kept: new PerTopic(
        limit,
        (topic) => `the ${topic || 'nameless'}`,
        (_, topic) => dropped.push(topic),
      ),
      dropped,
    };
  };

  it('what came once makes room before what came again', () => {
    const { kept, dropped } = topics(3);
    for (const topic of ['a', 'a', 'b', 'b', 'x', 'y', 'z']) kept.get(topic);
    assert.deepEqual(dropped, ['x', 'y']);
    assert.deepEqual(kept.names, ['a', 'b', 'z']);
    kept.get('z');
    kept.get('c');
    assert.deepEqual(dropped, ['x', 'y', 'a'], 'then what was used longest ago');
  });

  it('a message is for its topic, without one for all, with one that is not known for what has none', () => {
    const { kept } = topics(3);
    kept.get('a');
    assert.deepEqual([kept.concerned('a'), kept.concerned('b')], [['the a'], []]);
    kept.get('');
    assert.deepEqual(
      [kept.concerned('a'), kept.concerned('b'), kept.concerned('')],
      [['the a'], ['the nameless'], ['the a', 'the nameless']],
    );
  });

  it('says how long that has rested which would make room', () => {
    const { kept } = topics(2);
    for (const [topic, now] of [
      ['a', 0],
      ['a', 10],
      ['b', 20],
    ] as const)
      kept.get(topic, now);
    assert.equal(kept.restOfNext(30), Infinity, 'b came once');
    kept.get('b', 40);
    assert.equal(kept.restOfNext(50), 40);
  });

  it('lets a burst pass, then so many a second', () => {
    const limit = new RateLimit(3, 2, 0);
    const passed = (now: number, of = 10): number => Array.from({ length: of }, () => limit.take(now)).filter(Boolean).length;
    assert.deepEqual([passed(0), passed(400), passed(500), passed(1500), passed(100_000)], [3, 0, 1, 2, 3]);
  });

  it('keep what was used last, and drop the rest; settings concern their own topic, or all', () => {
    const dropped: string[] = [];
    const things = new PerTopic(
      2,
      (topic) => topic.toUpperCase(),
      (thing) => dropped.push(thing),
    );
    assert.deepEqual(
      ['a', 'b', 'a', 'c'].map((topic) => things.get(topic)),
      ['A', 'B', 'A', 'C'],
    );
    assert.deepEqual(dropped, ['B']);
    assert.deepEqual([things.peek('a'), things.peek('b')], ['A', undefined]);
    assert.deepEqual([things.concerned('a'), things.concerned('b'), things.concerned('')], [['A'], [], ['A', 'C']]);
    assert.deepEqual([things.clear(), things.concerned('')], [['A', 'C'], []]);
  });
});
