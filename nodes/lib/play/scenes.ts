import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { isPictureText, readPrompt } from '../prompt/texts';
import { KNOBS, lineOf, type PlayValues } from './values';
import { readNumber } from '../common/fields';

export const SCENES = 8;
const MOST_LETTERS = 60;
/** The largest file of scenes, bytes, far above what eight scenes take. */
const MOST_BYTES = 1_000_000;

/** A prompt with settings, on one button. */
export interface Scene extends PlayValues {
  name: string;
  /** A small JPEG in base64 of the picture when it was saved. */
  picture?: string;
}

/** The scenes of one performance page, kept in a file. */
export class Scenes {
  readonly all: (Scene | null)[] = Array<null>(SCENES).fill(null);
  private writing: Promise<void> = Promise.resolve();

  /**
   * @param file the file to keep them in; without one they last as long as the node
   * @param onProblem called when the file cannot be read or written
   */
  constructor(
    private readonly file: string | undefined,
    private readonly onProblem: (error: EngineError) => void,
  ) {}

  /** Reads the file. Invalid scenes are left out. */
  async load(): Promise<void> {
    if (!this.file) return;
    try {
      const { size } = await stat(this.file);
      if (size > MOST_BYTES) throw new Error(`it has ${size} bytes`);
      const kept: unknown = JSON.parse(await readFile(this.file, 'utf8'));
      if (!Array.isArray(kept)) throw new Error('it is not a list');
      for (let k = 0; k < SCENES; k++) this.all[k] ??= readScene(kept[k]);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.onProblem(EngineError.from(thrown, 'EDISK', `the scenes in ${this.file} cannot be read: `));
    }
  }

  /** Saves a scene to a button, or empties the button with `null`. */
  set(number: number, scene: Scene | null): void {
    this.all[number] = scene;
    const { file } = this;
    if (!file) return;
    this.writing = this.writing
      .then(() => this.write(file))
      .catch((thrown) => this.onProblem(EngineError.from(thrown, 'EDISK', 'the scenes cannot be kept: ')));
  }

  /** Resolves when everything has been written. */
  async written(): Promise<void> {
    await this.writing;
  }

  /** Writes a new file and renames it, so that the file is complete even if the process is killed. */
  private async write(file: string): Promise<void> {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify(this.all, null, 1));
    await rename(`${file}.new`, file);
  }
}

/** The name of a scene with these values. */
export function nameOf({ prompt }: PlayValues): string {
  const line = lineOf(prompt ?? '').trim();
  return line.length > MOST_LETTERS ? `${line.slice(0, MOST_LETTERS - 1)}…` : line;
}

/** A scene of the file; null for an empty button or an invalid scene. */
function readScene(value: unknown): Scene | null {
  if (typeof value !== 'object' || value === null) return null;
  const { name, prompt, params, weights, picture } = value as Record<string, unknown>;
  try {
    if (prompt !== undefined) readPrompt(prompt, 'prompt');
    const knobs = Object.entries(KNOBS).flatMap(([knob, bounds]) => {
      const setting = (params as Record<string, unknown> | undefined)?.[knob];
      return setting === undefined ? [] : [[knob, readNumber(setting, knob, bounds)] as const];
    });
    const numbers = Object.entries((weights ?? {}) as object).map(([adapter, weight]) => [adapter, readNumber(weight, adapter)] as const);
    return {
      name: typeof name === 'string' ? name.slice(0, MOST_LETTERS) : '',
      ...(prompt !== undefined && { prompt: prompt as Scene['prompt'] }),
      params: Object.fromEntries(knobs),
      weights: Object.fromEntries(numbers),
      ...(typeof picture === 'string' && isPictureText(picture) && { picture }),
    };
  } catch {
    return null;
  }
}
