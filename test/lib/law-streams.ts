import { Engine, type Output, type RawImage, type Stream, type StreamOptions } from '../../engine';
import { LAW_OPTIONS, outputsOf } from './laws';
import { recording, REFERENCE_MODEL } from './reference';

const reference = recording('img2img-4step-self');
export const PROMPT = { tokenIds: reference.token_ids['a red sun over the sea'], negativeTokenIds: reference.token_ids[''] };
export const OTHER_PROMPT = {
  tokenIds: PROMPT.tokenIds.map((id, k) => (k > 0 && k < 6 ? id + 5 : id)),
  negativeTokenIds: PROMPT.tokenIds,
};
export const frames = Array.from({ length: 7 }, (_, k) => reference.frame(k));

/** Streams of the reference model under {@link PROMPT}. */
export interface LawStreams {
  readonly engine: Engine;
  open(options?: Partial<StreamOptions>): Promise<Stream>;
  /** All frames through a stream of their own, drained at the end. */
  run(options: Partial<StreamOptions>, images?: RawImage[]): Promise<Output[]>;
}

/** Loads the model before the tests of a `describe`, and closes it after them. */
export function setLawStreams(): LawStreams {
  let engine: Engine;
  before(async () => {
    engine = await Engine.load({ model: REFERENCE_MODEL });
  });
  after(() => engine.close());
  return {
    get engine() {
      return engine;
    },
    async open(options = {}) {
      const stream = await engine.createStream({ ...LAW_OPTIONS, ...options });
      await stream.setPrompt(PROMPT);
      return stream;
    },
    run: (options, images = frames) =>
      outputsOf(
        engine,
        options,
        PROMPT,
        images.map((image, id) => ({ image, id })),
      ),
  };
}
