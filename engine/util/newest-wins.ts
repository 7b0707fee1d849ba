import { Mailbox } from './mailbox';

/**
 * Runs one job at a time while one waits. A newer job replaces the waiting one, so that real-time work never queues up and is
 * never late by more than one job.
 */
export class NewestWins {
  private busy = false;
  private readonly waiting = new Mailbox<(hasTurn: boolean) => void>();

  /** Resolves true after the job was done, false when a newer one replaced it before its turn. Rejects as the job does. */
  async run(job: () => Promise<void>): Promise<boolean> {
    const turn = (): Promise<boolean> => new Promise((resolve) => this.waiting.put(resolve)?.(false));
    if (this.busy && !(await turn())) return false;
    this.busy = true;
    try {
      await job();
      return true;
    } finally {
      // Stays busy while a job waits, so that no other job can start before it.
      this.busy = this.waiting.full;
      this.waiting.take()?.(true);
    }
  }

  /** Drops the waiting job. */
  clear(): void {
    this.waiting.take()?.(false);
  }
}
