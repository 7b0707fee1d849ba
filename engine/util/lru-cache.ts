/** A cache of at most `limit` values by key; the least recently used one is replaced. */
export class LruCache<V> {
  /** A Map keeps the order of insertion: deleted and set again, an entry is the most recent. */
  private readonly kept = new Map<string, V>();

  constructor(private readonly limit: number) {}

  get size(): number {
    return this.kept.size;
  }

  /** Oldest first. */
  get keys(): string[] {
    return [...this.kept.keys()];
  }

  /** Oldest first. */
  get entries(): [string, V][] {
    return [...this.kept];
  }

  /** Whether the cache has a key; this does not count as a use. */
  has(key: string): boolean {
    return this.kept.has(key);
  }

  get(key: string): V | undefined {
    const value = this.kept.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  /** @returns the value that was replaced, if the cache was full */
  set(key: string, value: V): V | undefined {
    this.kept.delete(key);
    this.kept.set(key, value);
    if (this.kept.size <= this.limit) return undefined;
    const [[oldest, evicted]] = this.kept;
    this.kept.delete(oldest);
    return evicted;
  }

  getOrMake(key: string, make: () => V): V {
    const kept = this.get(key);
    if (kept !== undefined) return kept;
    const made = make();
    this.set(key, made);
    return made;
  }

  /** Removes an entry; if `value` is given, only while the entry still has that value. */
  delete(key: string, value?: V): void {
    if (value === undefined || this.kept.get(key) === value) this.kept.delete(key);
  }

  /** Removes all values and returns them, oldest first. */
  clear(): V[] {
    const values = [...this.kept.values()];
    this.kept.clear();
    return values;
  }
}
