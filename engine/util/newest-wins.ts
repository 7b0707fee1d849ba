/**
 * A place for one job at a time and one that waits. A newer job takes the place of the waiting one, so that work in
 * real time never queues up and is never late by more than one job.
 */
export class NewestWins {
  private busy = false;
  private waiting: ((hasTurn: boolean) => void) | undefined;

  /** Resolves true after the job was done, false when a newer one replaced it before its turn. Rejects as the job does. */
  async run(job: () => Promise<void>): Promise<boolean> {
    if (this.busy && !(await this.turn())) return false;
    this.busy = true;
    try {
      await job();
      return true;
    } finally {
      this.handOver();
    }
  }

  /** Sends the waiting job away. */
  clear(): void {
    this.waiting?.(false);
    this.waiting = undefined;
  }

  private turn(): Promise<boolean> {
    this.clear();
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  /** Stays busy when somebody waits, so that nobody slips in before the turn is taken. */
  private handOver(): void {
    const next = this.waiting;
    this.waiting = undefined;
    if (next) next(true);
    else this.busy = false;
  }
}
