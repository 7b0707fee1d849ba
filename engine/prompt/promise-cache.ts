import { LruCache } from '../util/lru-cache';

/** The `limit` results that were used last, by key. Equal requests at the same time share one piece of work; a failure is not kept. */
export class PromiseCache<T> {
  private readonly kept: LruCache<Promise<T>>;

  constructor(limit: number) {
    this.kept = new LruCache(limit);
  }

  get(key: string, make: () => Promise<T>): Promise<T> {
    return this.kept.getOrMake(key, () => {
      const result = make();
      result.catch(() => this.kept.delete(key, result));
      return result;
    });
  }

  clear(): void {
    this.kept.clear();
  }
}
