import { Recent } from '../util/recent';

/** Results by key, the `limit` that were used last. Equal requests at the same time share one piece of work; a failure is not kept. */
export class PromiseCache<T> {
  private kept: Recent<Promise<T>>;

  constructor(private readonly limit: number) {
    this.kept = new Recent(limit);
  }

  get(key: string, make: () => Promise<T>): Promise<T> {
    return this.kept.getOrMake(key, () => {
      const result = make();
      result.catch(() => this.kept.delete(key, result));
      return result;
    });
  }

  clear(): void {
    this.kept = new Recent(this.limit);
  }
}
