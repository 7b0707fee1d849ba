/** What was made or used last, by key; of more than `limit` things the one that rested longest makes room. */
export class LruCache<V> {
  /** A Map keeps the order of insertion: taken out and put in again, a thing is the newest. */
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

  /** Whether there is one; this does not count as a use. */
  has(key: string): boolean {
    return this.kept.has(key);
  }

  get(key: string): V | undefined {
    const value = this.kept.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  /** @returns what had to make room */
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

  /** Forgets a thing; where `value` is given, only if another one has not taken its place. */
  delete(key: string, value?: V): void {
    if (value === undefined || this.kept.get(key) === value) this.kept.delete(key);
  }

  /** Forgets all, and returns them, oldest first. */
  clear(): V[] {
    const values = [...this.kept.values()];
    this.kept.clear();
    return values;
  }
}
