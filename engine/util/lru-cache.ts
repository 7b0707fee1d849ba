/** What was made or used last, by key; of more than `limit` things the one that rested longest is forgotten. */
export class LruCache<V> {
  private readonly kept = new Map<string, V>();

  constructor(private readonly limit: number) {}

  get(key: string): V | undefined {
    const value = this.kept.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    // A Map keeps the order of insertion: taken out and put in again it is the newest.
    this.kept.delete(key);
    this.kept.set(key, value);
    if (this.kept.size > this.limit) this.kept.delete(this.kept.keys().next().value as string);
  }

  get keys(): string[] {
    return [...this.kept.keys()];
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
}
