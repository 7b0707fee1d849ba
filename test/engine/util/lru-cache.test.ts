import assert from 'node:assert/strict';
import { PromiseCache } from '../../../engine/prompt/promise-cache';
import { LruCache } from '../../../engine/util/lru-cache';

describe('LRU cache', () => {
  it('is never more than the limit; what rested longest is forgotten first', () => {
    const recent = new LruCache<number>(3);
    const made: string[] = [];
    const get = (key: string): number => recent.getOrMake(key, () => made.push(key));
    for (const key of ['a', 'b', 'c', 'a', 'd', 'a', 'c', 'b']) get(key);
    assert.deepEqual(made, ['a', 'b', 'c', 'd', 'b'], 'a was used again before d came, so b went');
    for (let k = 0; k < 1000; k++) recent.set(`key ${k}`, k);
    assert.deepEqual(
      [999, 998, 997, 996].map((k) => recent.get(`key ${k}`)),
      [999, 998, 997, undefined],
    );
  });

  it('hands out what had to make room, so that it can be closed', () => {
    const cache = new LruCache<string>(2);
    assert.deepEqual(
      [cache.set('a', 'A'), cache.set('b', 'B'), cache.set('a', 'A2'), cache.set('c', 'C')],
      [undefined, undefined, undefined, 'B'],
    );
    assert.deepEqual([cache.has('b'), cache.keys, cache.clear(), cache.size], [false, ['a', 'c'], ['A2', 'C'], 0]);
  });

  it('is one piece of work for equal requests at the same time, and no failure', async () => {
    const cache = new PromiseCache<number>(2);
    let runs = 0;
    const work = async (): Promise<number> => ++runs;
    assert.deepEqual(await Promise.all([cache.get('a', work), cache.get('a', work)]), [1, 1]);
    await assert.rejects(
      cache.get('b', () => Promise.reject(new Error('not now'))),
      /not now/,
    );
    assert.equal(await cache.get('b', work), 2);
    await cache.get('c', work);
    assert.deepEqual([await cache.get('b', work), await cache.get('a', work)], [2, 4], 'a had to go for c');
  });
});
