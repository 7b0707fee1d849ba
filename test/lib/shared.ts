/** What takes long to start: it is started by the first test that uses it, kept for the others, and ended after the last. */
export class Shared<T> {
  private users = 0;
  private running?: Promise<T>;

  constructor(
    private readonly start: () => Promise<T>,
    private readonly end: (running: T) => Promise<unknown>,
    /** Whether it has not ended by itself, for then the next test starts it anew. */
    private readonly isRunning: (running: T) => boolean,
  ) {}

  /** Says, while tests are described, that one more of them will use it, and {@link leave} it. */
  expectOneMore(): void {
    this.users++;
  }

  async use(): Promise<T> {
    const before = await this.running;
    if (before === undefined || !this.isRunning(before)) this.running = this.start();
    try {
      return (await this.running) as T;
    } catch (error) {
      this.running = undefined;
      throw error;
    }
  }

  /** Ends it after its last user; resolves to what goes on for others. */
  async leave(): Promise<T | undefined> {
    this.users--;
    const running = await this.running;
    if (this.users > 0 || running === undefined) return running;
    this.running = undefined;
    await this.end(running);
  }
}
