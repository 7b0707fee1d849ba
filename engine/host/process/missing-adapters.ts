import { EngineError } from '../../errors';
import type { Picture } from '../../image/picture';
import { imagesIn, withoutImages } from '../../prompt/request';
import type { DiffusionStream } from '../../stream/diffusion-stream';
import { strangePicture } from '../../stream/frame-encoder';
import { quote } from '../../util/quote';
import type { LiveParams, PromptSpec } from '../protocol/messages';
import type { WarnOnce } from './warn-once';

/**
 * Lets a stream go on where its settings, pictures or prompts name an adapter that the engine does not have: they may be older
 * than the engine, from which an adapter was removed. What names it is left out, with a warning.
 */
export class MissingAdapters {
  constructor(
    private readonly stream: Pick<DiffusionStream, 'adapters' | 'knownPictures'>,
    private readonly warnings: WarnOnce,
  ) {}

  /** The settings with the weights of the engine's adapters only. */
  withoutWeights<S extends LiveParams>(settings: S): S {
    const unknown = unknownWeights(settings, this.stream.adapters);
    this.warnings.tell(
      unknown.map((name) => `weights: this engine has no adapter called ${quote(name)}; the stream goes on without it`),
      'EBADPARAM',
    );
    return withoutWeights(settings, unknown);
  }

  /** The pictures of a frame that the frame itself or an adapter uses. */
  withoutPictures(pictures: Readonly<Record<string, Picture>>): Record<string, Picture> {
    const known = this.stream.knownPictures;
    const unknown = Object.keys(pictures).filter((name) => !known.includes(name));
    this.warnings.tell(
      unknown.map((name) => `${strangePicture(name, known)}; the stream goes on without it`),
      'EBADPARAM',
    );
    return Object.fromEntries(Object.entries(pictures).filter(([name]) => !unknown.includes(name)));
  }

  /** Does something with a prompt; where that fails and the prompt has pictures, does it again without them. */
  async withoutImages<T>(prompt: PromptSpec, work: (prompt: PromptSpec) => Promise<T>): Promise<T> {
    try {
      return await work(prompt);
    } catch (thrown) {
      if (imagesIn(prompt).length === 0) throw thrown;
      const done = await work(withoutImages(prompt));
      const { code, message } = EngineError.from(thrown, 'EHOST');
      this.warnings.tell([`${message}; the stream goes on without the picture`], code);
      return done;
    }
  }
}

/** Settings with the weights of these adapters only, without a warning. */
export function withKnownWeights<S extends LiveParams>(settings: S, adapters: readonly string[]): S {
  return withoutWeights(settings, unknownWeights(settings, adapters));
}

function unknownWeights({ weights = {} }: LiveParams, adapters: readonly string[]): string[] {
  return Object.keys(weights).filter((name) => !adapters.includes(name));
}

function withoutWeights<S extends LiveParams>(settings: S, names: readonly string[]): S {
  if (names.length === 0) return settings;
  const kept = Object.entries(settings.weights ?? {}).filter(([name]) => !names.includes(name));
  return { ...settings, weights: Object.fromEntries(kept) };
}
