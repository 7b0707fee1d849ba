interface Entry<T> {
  thing: T;
  uses: number;
  usedAt: number;
}

/**
 * One thing for each `msg.topic`, made when the topic first comes. Topics may be many and may be anybody's, so only
 * `limit` are kept: a newcomer takes the place of what came once and never again, else of what was used longest ago.
 */
export class PerTopic<T> {
  /** The one that was used last at the end. */
  private readonly byTopic = new Map<string, Entry<T>>();

  /** @param drop is called with what has to make room */
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
    // A Map keeps the order of insertion: taken out and put in again it is the newest.
    this.byTopic.delete(topic);
    this.byTopic.set(topic, entry);
    return entry.thing;
  }

  /** The topic's thing if there is one; this does not count as a use. */
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
   * What a message without a frame concerns. Without a topic: everything. With one: the topic's own thing; where no frames
   * come with that topic, the thing of the frames that have none, since whoever names no frames need not name settings:
   * an MQTT node puts its own topic on all it sends.
   */
  concerned(topic: string): T[] {
    if (topic === '') return this.all;
    const thing = this.peek(topic) ?? this.peek('');
    return thing === undefined ? [] : [thing];
  }

  /** How long the thing that a newcomer would displace has not been used, ms; Infinity where a newcomer displaces nothing that matters. */
  restOfNext(now = performance.now()): number {
    if (this.byTopic.size < this.limit) return Infinity;
    const { uses, usedAt } = this.next()[1];
    return uses === 1 ? Infinity : now - usedAt;
  }

  /** Forgets all, and returns them. */
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

  /** What makes room for the next newcomer. */
  private next(): [string, Entry<T>] {
    const entries = [...this.byTopic];
    return entries.find(([, { uses }]) => uses === 1) ?? entries[0];
  }
}
