import { Mailbox } from './mailbox';

/**
 * A place for one job at a time and one that waits. A newer job takes the place of the waiting one, so that work in
 * real time never queues up and is never late by more than one job.
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
      // Stays busy when somebody waits, so that nobody slips in before the turn is taken.
      this.busy = this.waiting.full;
      this.waiting.take()?.(true);
    }
  }

  /** Sends the waiting job away. */
  clear(): void {
    this.waiting.take()?.(false);
  }
}
