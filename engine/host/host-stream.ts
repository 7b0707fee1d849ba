import { EngineError } from '../errors';
import type { EngineProcess } from './engine-process';
import { Mailbox } from './mailbox';
import type { ConditioningRequest, FrameRequest, FrameResult, LiveParams, StreamSettings, StreamStats } from './messages';
import { StreamMeter } from './stream-meter';

interface Submission {
  frame: FrameRequest;
  submittedAt: number;
  resolve: (result: FrameResult) => void;
  reject: (error: Error) => void;
}

/**
 * Frames that may be on their way to the engine process without having left its waiting place. One would let it idle
 * for a round trip; many would fill the pipe while a net blocks the process.
 */
const MAX_UNTAKEN = 3;

/**
 * The flow's side of a stream. It outlives the engine process: after a crash it is opened there again with all that was
 * set. While there is no process to take frames, the newest one waits here.
 */
export class HostStream {
  private readonly mailbox = new Mailbox<Submission>();
  private readonly meter = new StreamMeter();
  private process: EngineProcess | undefined;
  private opened = false;
  private opening: Promise<void> = Promise.resolve();
  private untaken = 0;
  private error: Error | undefined;
  private conditioning: ConditioningRequest | undefined;
  private closed = false;

  /** Made by HostClient.openStream. */
  constructor(
    private readonly id: number,
    private settings: StreamSettings,
    private readonly onClose: () => void,
  ) {}

  get stats(): StreamStats {
    return this.meter.stats();
  }

  /** Settles once: finished, dropped, or rejected with an Error that has a `code`. Never blocks; the newest frame wins. */
  submit(frame: FrameRequest): Promise<FrameResult> {
    const submittedAt = performance.now();
    const settled = new Promise<FrameResult>((resolve, reject) => {
      const submission = { frame, submittedAt, resolve, reject };
      if (this.closed) reject(new EngineError('ECLOSED', 'the stream is closed'));
      else if (this.error) reject(this.error);
      else {
        this.mailbox.put(submission)?.resolve({ outcome: 'dropped' });
        this.sendNewest();
      }
    });
    return this.meter.watch(settled, submittedAt);
  }

  /** Live parameters for the frames to come. Rejects with EBADPARAM when they cannot work; the old ones then stay. */
  async update(params: LiveParams): Promise<void> {
    await this.opening;
    const changed = { ...this.settings, ...params };
    if (this.process && this.opened) await this.process.request('update', { stream: this.id, params });
    else if (this.process) await this.open(this.process, changed);
    this.settings = changed;
  }

  /** The conditioning of frames that bring none of their own. */
  async setConditioning(conditioning: ConditioningRequest): Promise<void> {
    await this.opening;
    if (this.process && this.opened) await this.process.request('setConditioning', { stream: this.id, conditioning });
    this.conditioning = conditioning;
  }

  /** Drops everything in flight; their submits settle as dropped. */
  async reset(): Promise<void> {
    this.mailbox.take()?.resolve({ outcome: 'dropped' });
    if (this.process && this.opened) await this.process.request('reset', { stream: this.id });
  }

  /** Rejects what is in flight with ECLOSED. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.mailbox.take()?.reject(new EngineError('ECLOSED', 'the stream was closed'));
    this.onClose();
    // A process that dies instead of answering has closed the stream as well.
    if (this.process && this.opened) await this.process.request('close', { stream: this.id }).catch(() => undefined);
  }

  /** A process with a loaded model is there. What is wrong with the settings is heard by the next submits. */
  attach(process: EngineProcess): void {
    this.process = process;
    this.untaken = 0;
    this.opening = this.open(process, this.settings).catch(() => undefined);
  }

  /** The process is gone; another one follows unless `error` says that none will. */
  detach(error?: Error): void {
    this.process = undefined;
    this.opened = false;
    this.error = error;
    if (error) this.mailbox.take()?.reject(error);
  }

  private async open(process: EngineProcess, settings: StreamSettings): Promise<void> {
    this.error = undefined;
    try {
      await process.request('open', { stream: this.id, settings, conditioning: this.conditioning });
      if (this.process !== process) return;
      this.opened = true;
      this.sendNewest();
    } catch (thrown) {
      const error = EngineError.from(thrown, 'EHOST');
      if (this.process === process) {
        // The settings are at fault, not the process: it stays, so that better ones can be tried.
        this.error = error;
        this.mailbox.take()?.reject(error);
      }
      throw error;
    }
  }

  private sendNewest(): void {
    if (!this.process || !this.opened || this.untaken >= MAX_UNTAKEN) return;
    const submission = this.mailbox.take();
    if (!submission) return;
    this.untaken++;
    const { frame, resolve, reject } = submission;
    const answered = this.process.request('submit', { stream: this.id, frame });
    answered.then((result) => {
      if (frame.params && result.outcome === 'finished') this.settings = { ...this.settings, ...frame.params };
      resolve(result);
    }, reject);
  }

  /** One of the frames that were sent has left the waiting place of the engine process. */
  taken(): void {
    this.untaken--;
    this.sendNewest();
  }
}
