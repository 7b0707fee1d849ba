/** An execution provider that failed while it ran is tried again at the first start after this time, ms. */
const FORGIVEN_AFTER = 600_000;

/**
 * The execution providers that an engine may use: those that are wanted, without the ones that failed while they ran. One
 * is always left. A working engine does not return to a better provider; a new start does, after a while.
 */
export class ProviderOrder {
  private readonly failed = new Map<string, { reason: string; at: number }>();

  constructor(private wanted: readonly string[]) {}

  /** Replaces the wanted providers. */
  want(providers: readonly string[]): void {
    this.wanted = providers;
    this.failed.clear();
  }

  /** The usable providers in order of preference, at least one. */
  get left(): string[] {
    return this.wanted.filter((provider) => !this.failed.has(provider));
  }

  /** Why the others are not used, in sentences. */
  get notes(): string[] {
    return [...this.failed].map(([provider, { reason }]) => `${provider} failed while it ran, the next provider took over: ${reason}`);
  }

  /**
   * Gives a provider up, unless it is the only one left.
   *
   * @param provider undefined when it is unknown: then the first, with which a start begins
   */
  giveUp(provider: string | undefined, reason: string, now = performance.now()): void {
    const { left } = this;
    const guilty = provider ?? left[0];
    if (left.length > 1 && left.includes(guilty)) this.failed.set(guilty, { reason, at: now });
  }

  /** Called before a start: gives providers that failed long ago another chance. */
  forgive(now = performance.now()): void {
    for (const [provider, { at }] of this.failed) if (now - at > FORGIVEN_AFTER) this.failed.delete(provider);
  }

  /** Called when none of the remaining ones works: gives all another chance. */
  forgiveAll(): void {
    this.failed.clear();
  }
}
