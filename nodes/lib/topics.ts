/**
 * One thing for each `msg.topic`, made when the topic first comes. Topics may be many and may be anybody's, so only
 * the `limit` that were used last are kept.
 */
export class Topics<T> {
  private readonly byTopic = new Map<string, T>();

  /** @param drop is called with what has to make room */
  constructor(
    private readonly limit: number,
    private readonly create: (topic: string) => T,
    private readonly drop: (dropped: T) => void,
  ) {}

  get(topic: string): T {
    const thing = this.byTopic.get(topic) ?? this.create(topic);
    // A Map keeps the order of insertion: taken out and put in again it is the newest.
    this.byTopic.delete(topic);
    this.byTopic.set(topic, thing);
    for (const [oldest, old] of this.byTopic) {
      if (this.byTopic.size <= this.limit) break;
      this.byTopic.delete(oldest);
      this.drop(old);
    }
    return thing;
  }

  /** The topic's thing if there is one; this does not count as a use. */
  peek(topic: string): T | undefined {
    return this.byTopic.get(topic);
  }

  /** What a message concerns that may be meant for all: its own topic's thing, or without a topic those of all topics. */
  concerned(topic: string): T[] {
    if (topic === '') return [...this.byTopic.values()];
    const thing = this.peek(topic);
    return thing === undefined ? [] : [thing];
  }

  /** Forgets all, and returns them. */
  clear(): T[] {
    const all = [...this.byTopic.values()];
    this.byTopic.clear();
    return all;
  }
}
