import { EngineError } from '../../errors';
import { copiesOf, copyOf } from '../../image/picture';
import { Mailbox } from '../../util/mailbox';
import type { FrameRequest, FrameResult } from '../protocol/messages';
import { isValidFrame } from '../protocol/valid-frame';
import type { EngineProcess } from './engine-process';

interface Submission {
  frame: FrameRequest;
  resolve: (result: FrameResult) => void;
  reject: (error: Error) => void;
}

/**
 * Frames that may be on their way to the engine process without having left its mailbox. With one, it would be idle for a round
 * trip; many would fill the pipe while a net blocks the process.
 */
const MAX_UNTAKEN = 3;

/** Sends the frames of one stream to the engine process. While none can be sent, the newest waits here. */
export class FrameSender {
  private readonly mailbox = new Mailbox<Submission>();
  /** The process that takes frames, while there is one. */
  private process: EngineProcess | undefined;
  private sent = 0;

  /** @param onAnswer called for every frame that the process finished (no error) or failed at, with the time when it was sent */
  constructor(
    private readonly stream: number,
    private readonly onAnswer: (sentAt: number, error?: EngineError) => void,
  ) {}

  /** The number of frames that were sent and have not left the mailbox of the engine process. */
  get untaken(): number {
    return this.sent;
  }

  /** Settles once: finished, dropped when a newer frame replaced it, or rejected with an Error that has a `code`. */
  send(frame: FrameRequest): Promise<FrameResult> {
    return new Promise((resolve, reject) => {
      const submission: Submission = { frame, resolve, reject };
      this.mailbox.put(submission)?.resolve({ outcome: 'dropped' });
      this.sendNewest();
      // A frame that was sent is copied into the pipe. One that waits needs bytes of its own: the flow may draw on those it sent.
      if (this.mailbox.full) submission.frame = withOwnPictures(frame);
    });
  }

  /** Sends to this process from now on. */
  open(process: EngineProcess): void {
    if (process !== this.process) this.sent = 0;
    this.process = process;
    this.sendNewest();
  }

  /** Keeps further frames until {@link open}. */
  hold(): void {
    this.process = undefined;
  }

  /** One of the frames that were sent has left the mailbox of the engine process. */
  taken(): void {
    this.sent--;
    this.sendNewest();
  }

  /** Drops the frame that waits. */
  drop(): void {
    this.mailbox.take()?.resolve({ outcome: 'dropped' });
  }

  /** Rejects the frame that waits. */
  reject(error: Error): void {
    this.mailbox.take()?.reject(error);
  }

  private sendNewest(): void {
    if (!this.process || this.sent >= MAX_UNTAKEN) return;
    const submission = this.mailbox.take();
    if (!submission) return;
    this.sent++;
    void this.deliver(this.process, submission);
  }

  private async deliver(process: EngineProcess, { frame, resolve, reject }: Submission): Promise<void> {
    const sentAt = performance.now();
    try {
      const result = await process.request('submit', { stream: this.stream, frame });
      if (!isValidFrame(result)) throw await distrust(process);
      if (result.outcome === 'finished') this.onAnswer(sentAt);
      resolve(result);
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      if (this.process === process) this.onAnswer(sentAt, error);
      reject(error);
    }
  }
}

/** Ends a process that sent an invalid frame: its memory is corrupted. */
async function distrust(process: EngineProcess): Promise<EngineError> {
  const error = new EngineError('EHOST', 'the engine process sent an invalid picture and was ended');
  await process.kill(error, true);
  return error;
}

function withOwnPictures({ picture, pictures, ...frame }: FrameRequest): FrameRequest {
  return { ...frame, ...(picture && { picture: copyOf(picture) }), ...(pictures && { pictures: copiesOf(pictures) }) };
}
