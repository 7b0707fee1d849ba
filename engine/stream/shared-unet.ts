import { EngineError } from '../errors';
import type { Unet } from '../model/unet/unet';
import type { PromptEmbeds } from '../prompt/prompt-embeds';
import type { Evaluation } from '../diffusion/stream-batch';

interface Request {
  evaluations: Evaluation<PromptEmbeds>[];
  resolve: (predictions: Float32Array[]) => void;
  reject: (error: EngineError) => void;
}

/**
 * One UNet for all streams of an engine: requests that arrive while it is busy, or in the same turn of the event loop, are
 * computed in one call. No stream waits for a slower one. A UNet with several copies on servers takes as many calls at the
 * same time.
 */
export class SharedUnet {
  private waiting: Request[] = [];
  private running = 0;

  constructor(private readonly unet: Unet) {}

  /** @returns the UNet's raw output for every evaluation, [C, h, w], in order */
  predict(evaluations: Evaluation<PromptEmbeds>[]): Promise<Float32Array[]> {
    if (evaluations.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.waiting.push({ evaluations, resolve, reject });
      if (this.running >= this.unet.place.instances) return;
      this.running++;
      setImmediate(() => void this.work());
    });
  }

  private async work(): Promise<void> {
    const { place } = this.unet;
    while (this.waiting.length > 0) {
      const requests = this.waiting;
      this.waiting = [];
      await this.serve(requests);
      // Streams with frames in flight send the next request as soon as they are answered. Without this pause two of them would take
      // turns for ever, each waiting while the other computes alone; without the token a picture would be encoded in between.
      const followUp = place.expectFollowUp();
      await nextTurn();
      // Frames that became ready while the UNet computed are included: their events still wait in the event loop.
      await nextTurn();
      if (this.waiting.length === 0) followUp.release();
    }
    this.running--;
  }

  /** Settles every request; one that cannot be computed does not fail the others. */
  private async serve(requests: Request[]): Promise<void> {
    try {
      const predictions = await this.unet.predict(requests.flatMap((request) => request.evaluations));
      let next = 0;
      for (const { evaluations, resolve } of requests) {
        resolve(predictions.slice(next, next + evaluations.length));
        next += evaluations.length;
      }
    } catch (thrown) {
      if (requests.length === 1) requests[0].reject(EngineError.from(thrown, 'EBADMODEL', 'the UNet failed: '));
      else for (const request of requests) await this.serve([request]);
    }
  }
}

/** Resolves in the next turn of the event loop. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
