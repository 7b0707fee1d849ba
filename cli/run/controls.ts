import { type ControlMapKind, type ControlMapState, drawControlMap, USUAL_SETTINGS } from '../../engine/image/control/maps';
import type { Plane } from '../../engine/image/control/plane';
import type { RawImage } from '../../engine/types';
import type { ControlOption } from './adapters';
import { openSource } from './ends';
import type { Frame, FrameSource } from './frames';

/** The control pictures of one adapter, frame by frame. */
interface Control {
  next(image: RawImage): Promise<RawImage>;
  close(): Promise<void>;
}

/** The control pictures of all frames, by the adapters' names. */
export class Controls {
  private constructor(private readonly byName: ReadonlyMap<string, Control>) {}

  /** @param size of the frames. Rejects with ESOURCE for missing pictures. */
  static async open(options: readonly ControlOption[], size: { width: number; height: number }): Promise<Controls> {
    const controls = options.map(async (option): Promise<[string, Control]> => {
      if ('map' in option) return [option.name, new DrawnControl(option.map)];
      return [option.name, new ReadControl(await openSource(option.path), size)];
    });
    return new Controls(new Map(await Promise.all(controls)));
  }

  /** The control pictures of a frame. Rejects with EBADFRAME for one that cannot be read. */
  async of(image: RawImage): Promise<Record<string, RawImage>> {
    const pictures = [...this.byName].map(async ([name, control]) => [name, await control.next(image)] as const);
    return Object.fromEntries(await Promise.all(pictures));
  }

  async close(): Promise<void> {
    await Promise.all([...this.byName.values()].map((control) => control.close()));
  }
}

/** Control maps drawn from the frames, with the default settings of their kind. */
class DrawnControl implements Control {
  private state: ControlMapState | undefined;

  constructor(private readonly kind: ControlMapKind) {}

  next(image: RawImage): Promise<RawImage> {
    const { map, state = this.state } = drawControlMap(image, { kind: this.kind, invert: false, ...USUAL_SETTINGS[this.kind] }, this.state);
    this.state = state;
    return Promise.resolve('channels' in map ? map : inColours(map));
  }

  async close(): Promise<void> {}
}

/** Control pictures from files, one per frame; after the last one, it is repeated. */
class ReadControl implements Control {
  private readonly frames: AsyncIterator<Frame>;
  private last: Frame | undefined;

  constructor(source: FrameSource, { width, height }: { width: number; height: number }) {
    this.frames = source.frames(width, height)[Symbol.asyncIterator]();
  }

  async next(): Promise<RawImage> {
    const { value, done } = await this.frames.next();
    if (!done) this.last = value;
    if (this.last && 'error' in this.last) throw this.last.error;
    if (!this.last) throw new RangeError('a source gave no frame');
    return this.last.image;
  }

  async close(): Promise<void> {
    await this.frames.return?.();
  }
}

function inColours({ data, width, height }: Plane): RawImage {
  const rgb = new Uint8Array(3 * data.length);
  data.forEach((value, k) => rgb.fill(value, 3 * k, 3 * k + 3));
  return { data: rgb, width, height, channels: 3 };
}
