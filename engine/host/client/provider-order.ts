/** An execution provider that failed while it ran is tried again at the first start after this time, ms. */
const FORGIVEN_AFTER = 600_000;

/**
 * Which execution providers an engine may use: those that are wanted, without the ones that failed while they ran. One
 * always stays. Nothing goes back to a better provider while it works; a new start does, after a while.
 */
export class ProviderOrder {
  private readonly failed = new Map<string, { reason: string; at: number }>();

  constructor(private wanted: readonly string[]) {}

  /** From now on others are wanted. */
  want(providers: readonly string[]): void {
    this.wanted = providers;
    this.failed.clear();
  }

  /** By preference, at least one. */
  get left(): string[] {
    return this.wanted.filter((provider) => !this.failed.has(provider));
  }

  /** What happened to the others, in sentences. */
  get notes(): string[] {
    return [...this.failed].map(([provider, { reason }]) => `${provider} failed while it ran, the next provider took over: ${reason}`);
  }

  /**
   * Gives a provider up, unless it is the only one that is left.
   * @param provider undefined when it is not known: the first one then, with which a start begins
   */
  giveUp(provider: string | undefined, reason: string, now = performance.now()): void {
    const { left } = this;
    const guilty = provider ?? left[0];
    if (left.length > 1 && left.includes(guilty)) this.failed.set(guilty, { reason, at: now });
  }

  /** Before a start: what failed long ago gets another chance. */
  forgive(now = performance.now()): void {
    for (const [provider, { at }] of this.failed) if (now - at > FORGIVEN_AFTER) this.failed.delete(provider);
  }

  /** None of the remaining ones works: all get another chance. */
  forgiveAll(): void {
    this.failed.clear();
  }
}
