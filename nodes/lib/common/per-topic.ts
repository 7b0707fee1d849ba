interface Entry<T> {
  thing: T;
  uses: number;
  usedAt: number;
}

/**
 * One value per `msg.topic`, created when the topic first appears. Topics may be many and may come from anybody, so only `limit`
 * are kept: a new one replaces one that was used only once, otherwise the least recently used.
 */
export class PerTopic<T> {
  /** In order of use, the most recent last. */
  private readonly byTopic = new Map<string, Entry<T>>();

  /** @param drop called with a value that is replaced */
  constructor(
    private readonly limit: number,
    private readonly create: (topic: string) => T,
    private readonly drop: (dropped: T, topic: string) => void,
  ) {}

  get(topic: string, now = performance.now()): T {
    const known = this.byTopic.get(topic);
    if (!known && this.byTopic.size >= this.limit) this.makeRoom();
    const entry = known ?? { thing: this.create(topic), uses: 0, usedAt: now };
    entry.uses++;
    entry.usedAt = now;
    // A Map keeps the order of insertion: deleted and set again, an entry is the most recent.
    this.byTopic.delete(topic);
    this.byTopic.set(topic, entry);
    return entry.thing;
  }

  /** The topic's value if there is one; this does not count as a use. */
  peek(topic: string): T | undefined {
    return this.byTopic.get(topic)?.thing;
  }

  get names(): string[] {
    return [...this.byTopic.keys()];
  }

  get all(): T[] {
    return [...this.byTopic.values()].map(({ thing }) => thing);
  }

  /**
   * The values that a message without a frame concerns: without a topic, all; with one, that topic's value. Where no frames have
   * that topic, it is the value of frames without a topic, since an MQTT node puts a topic of its own on everything.
   */
  concerned(topic: string): T[] {
    if (topic === '') return this.all;
    const thing = this.peek(topic) ?? this.peek('');
    return thing === undefined ? [] : [thing];
  }

  /** How long the value that a new topic would replace has not been used, ms; Infinity where it would replace nothing that matters. */
  restOfNext(now = performance.now()): number {
    if (this.byTopic.size < this.limit) return Infinity;
    const { uses, usedAt } = this.next()[1];
    return uses === 1 ? Infinity : now - usedAt;
  }

  /** Removes all values and returns them. */
  clear(): T[] {
    const { all } = this;
    this.byTopic.clear();
    return all;
  }

  private makeRoom(): void {
    const [topic, { thing }] = this.next();
    this.byTopic.delete(topic);
    this.drop(thing, topic);
  }

  /** The entry that the next new topic replaces. */
  private next(): [string, Entry<T>] {
    const entries = [...this.byTopic];
    return entries.find(([, { uses }]) => uses === 1) ?? entries[0];
  }
}
