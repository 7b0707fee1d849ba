import { EngineError } from '../../errors';
import { encode } from '../../image/codec';
import type { FrameId, Output } from '../../types';
import type { FrameRequest, FrameResult } from '../protocol/messages';
import type { OutputSettings } from '../protocol/settings';

/** A frame whose sender waits for the result. */
export interface FrameJob {
  id: number;
  frame: FrameRequest;
  /** Set once the job was taken. */
  output?: OutputSettings;
  resolve: (result: FrameResult) => void;
  reject: (error: EngineError) => void;
}

/** The frames of a stream that were taken in and not answered yet. */
export class FrameJobs {
  private readonly jobs = new Map<number, FrameJob>();
  private delivery: Promise<void> = Promise.resolve();

  take(job: FrameJob): void {
    this.jobs.set(job.id, job);
  }

  settle(id: FrameId, how: (job: FrameJob) => void): void {
    const job = this.jobs.get(id as number);
    this.jobs.delete(id as number);
    if (job) how(job);
  }

  settleAll(how: (job: FrameJob) => void): void {
    for (const id of [...this.jobs.keys()]) this.settle(id, how);
  }

  /**
   * Encodes finished frames while the nets go on, and answers them in order.
   *
   * @param usual how a frame without settings of its own is encoded
   */
  deliver(outputs: readonly Output[], usual: () => OutputSettings): void {
    for (const { id, image, latencyMs, seed } of outputs) {
      const { format, quality } = this.jobs.get(id as number)?.output ?? usual();
      const encoded = format === 'raw' ? Promise.resolve(image.data) : encode(image, format, quality);
      const result = encoded.then((data) => ({
        outcome: 'finished' as const,
        data,
        format,
        width: image.width,
        height: image.height,
        latencyMs,
        ...(seed !== undefined && { seed }),
      }));
      this.delivery = Promise.allSettled([result, this.delivery]).then(([settled]) =>
        this.settle(id, (job) =>
          settled.status === 'fulfilled' ? job.resolve(settled.value) : job.reject(EngineError.from(settled.reason, 'EHOST')),
        ),
      );
    }
  }
}
