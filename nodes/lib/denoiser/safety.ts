import { join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { PictureNetProcess } from '../../../engine/host/client/picture-net-process';
import type { FinishedFrame } from '../../../engine/host/protocol/messages';
import { codecPool } from '../../../engine/image/codec-pool';
import { NewestWins } from '../../../engine/util/newest-wins';
import { isEmpty, readOptionalBoolean, readOptionalChoice, readOptionalNumber } from '../common/fields';
import { withCode } from '../common/input';
import { PerTopic } from '../common/per-topic';
import { type Veil, VEILS, veiled } from './veil';

/** The fields of the dialog that are about it. */
export interface SafetyFields {
  safety?: unknown;
  safetyNet?: unknown;
  safetyBefore?: unknown;
  safetyThreshold?: unknown;
}

export interface SafetySettings {
  veil: Veil;
  /** The classifier's file; undefined for the model's own `safety_checker`. */
  file?: string;
  /** Whether each frame waits for its own verdict; else for that of the one before. */
  isStrict: boolean;
  /** A picture with this score or a higher one is not shown. */
  threshold: number;
}

/** As many as a denoiser has streams. */
const MAX_TOPICS = 8;

/** Undefined where pictures are not looked at. @throws EBADPARAM */
export function readSafety(def: SafetyFields): SafetySettings | undefined {
  const veil = readOptionalChoice(def.safety, 'safety', 'off', VEILS);
  if (veil === 'off') return undefined;
  const file = isEmpty(def.safetyNet) ? undefined : String(def.safetyNet).trim();
  if (file !== undefined && file.length > 4096) throw new EngineError('EBADPARAM', 'safetyNet must be a path of at most 4096 letters');
  return {
    veil,
    ...(file && { file }),
    isStrict: readOptionalBoolean(def.safetyBefore, 'safetyBefore', true),
    threshold: readOptionalNumber(def.safetyThreshold, 'safetyThreshold', 0.5, { min: 0, max: 1 }),
  };
}

/** What is known of the pictures of one topic. */
class Watch {
  readonly queue = new NewestWins();
  /** The last picture that was shown. */
  good: FinishedFrame | undefined;
  /** Whether the newest one that was looked at is unfit. */
  verdict: Promise<boolean> = Promise.resolve(false);
}

/** Looks at finished pictures, and shows something else in the place of those that are not for everybody. */
export class Safety {
  private readonly watches = new PerTopic(
    MAX_TOPICS,
    () => new Watch(),
    (old) => old.queue.clear(),
  );
  private checker: { file: string; process: PictureNetProcess } | undefined;
  private blocked = 0;
  private isBlocking = false;

  /**
   * @param modelFolder the engine's model, when it is ready
   * @param onFault hears why pictures cannot be looked at; until they can, none is shown
   */
  constructor(
    private readonly settings: SafetySettings,
    private readonly modelFolder: () => string | undefined,
    private readonly onFault: (error: Error & { code: string }) => void,
  ) {}

  /** For the status output. */
  get report(): { blocking: boolean; blocked: number } {
    return { blocking: this.isBlocking, blocked: this.blocked };
  }

  /** The frame, or what is shown in its place; undefined for one that a newer one replaced while it waited. */
  async pass(frame: FinishedFrame, topic: string): Promise<FinishedFrame | undefined> {
    const watch = this.watches.get(topic);
    let shown: FinishedFrame | undefined;
    await watch.queue.run(async () => {
      const before = watch.verdict;
      watch.verdict = this.isUnfit(frame);
      this.isBlocking = await (this.settings.isStrict ? watch.verdict : before);
      if (this.isBlocking) this.blocked++;
      else watch.good = { ...frame, data: Uint8Array.from(frame.data) };
      shown = this.isBlocking ? await veiled(frame, this.settings.veil, watch.good) : frame;
    });
    return shown;
  }

  close(): void {
    for (const watch of this.watches.clear()) watch.queue.clear();
    this.checker?.process.close();
  }

  /** Never rejects: what cannot be looked at is not shown. */
  private async isUnfit({ data, format, width, height }: FinishedFrame): Promise<boolean> {
    try {
      const raw = await codecPool.decode(
        format === 'raw' ? { kind: 'raw', data, width, height, channels: 3 } : { kind: 'encoded', data },
        width,
        height,
      );
      const score = await this.process().ask({ do: 'score', picture: { kind: 'raw', ...raw } });
      return !(Number(score) < this.settings.threshold);
    } catch (thrown) {
      const error = withCode(thrown);
      if (error.code !== 'ECLOSED') this.onFault(error);
      return true;
    }
  }

  private process(): PictureNetProcess {
    const file = this.settings.file ?? join(this.modelFolder() ?? '', 'safety_checker');
    if (this.checker?.file !== file) {
      this.checker?.process.close();
      const opening = { do: 'open-classifier', settings: { file, executionProvider: 'cpu' } } as const;
      this.checker = { file, process: new PictureNetProcess(opening) };
    }
    return this.checker.process;
  }
}
