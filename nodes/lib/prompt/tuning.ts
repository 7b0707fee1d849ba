import type { NodeMessage } from 'node-red';
import type { WeightedText } from '../../../engine/host/protocol/messages';
import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';
import type { Tunable, Wish } from '../web/tuning-routes';
import type { PromptPacer } from './pacer';
import { readPictureField } from './picture-field';
import type { PromptFields, PromptState } from './state';

/** A prompt encoder as its open dialog, or the sidebar, plays on it. */
export class PromptTuning implements Tunable {
  /** Brings back what was there before the dialog was played with. */
  private untuned: ((now: number) => void) | undefined;
  /** What the dialog says of its picture. */
  private field: Pick<PromptFields, 'picture' | 'pictureFor'>;

  /** @param send sends a message that carries the conditioning to the streams that it is for */
  constructor(
    private readonly state: PromptState,
    private readonly pacer: PromptPacer,
    private readonly send: (msg: NodeMessage) => void,
    { picture, pictureFor }: PromptFields,
  ) {
    this.field = { picture, pictureFor };
  }

  /** What it sends now, or goes to. */
  get prompt(): WeightedText[] {
    return this.state.prompt;
  }

  async tune({ params, topic }: Wish): Promise<void> {
    if (typeof params !== 'object' || params === null || Array.isArray(params)) {
      throw new EngineError('EBADPARAM', `params must be an object such as {"prompt": "night"}, not ${quote(params)}`);
    }
    const fields = params as PromptFields;
    const field = { ...this.field, ...fields };
    const isAboutPicture = fields.picture !== undefined || fields.pictureFor !== undefined;
    const images = isAboutPicture ? await readPictureField(field) : undefined;
    if (topic === undefined) this.untuned ??= this.state.remember();
    this.state.tune(fields, performance.now(), images);
    this.field = { picture: field.picture, pictureFor: field.pictureFor };
    this.tell(topic);
  }

  async endTuning(keep: boolean): Promise<void> {
    const { untuned } = this;
    this.untuned = undefined;
    if (keep || !untuned) return;
    untuned(performance.now());
    this.tell(undefined);
  }

  /** Frames that pass carry it from now on; a denoiser beside the line, and a filter on a still scene, hear of it at once. */
  private tell(topic: string | undefined): void {
    const now = performance.now();
    const msg = { ...(topic && { topic }) } as NodeMessage;
    this.pacer.heard(msg, true, false, now);
    this.send(Object.assign(msg, { conditioning: this.state.next(now, false) }));
  }
}
