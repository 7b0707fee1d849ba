import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { isPictureText, readPrompt } from '../prompt/texts';
import { KNOBS, lineOf, type PlayValues } from './values';
import { readNumber } from '../common/fields';

export const SCENES = 8;
const MOST_LETTERS = 60;
/** Far above what eight scenes take. */
const MOST_BYTES = 1_000_000;

/** A prompt with its settings under one button. */
export interface Scene extends PlayValues {
  name: string;
  /** A small JPEG in base64, of the moment when it was saved. */
  picture?: string;
}

/** The scenes of one performance page, kept in a file. */
export class Scenes {
  readonly all: (Scene | null)[] = Array<null>(SCENES).fill(null);
  private writing: Promise<void> = Promise.resolve();

  /**
   * @param file where they are kept; without one they last as long as the node
   * @param onProblem told when it cannot be read or written
   */
  constructor(
    private readonly file: string | undefined,
    private readonly onProblem: (error: EngineError) => void,
  ) {}

  /** Reads what was kept. What cannot be used of it is left out. */
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

  /** Keeps a scene under a button, or with `null` empties it. */
  set(number: number, scene: Scene | null): void {
    this.all[number] = scene;
    const { file } = this;
    if (!file) return;
    this.writing = this.writing
      .then(() => this.write(file))
      .catch((thrown) => this.onProblem(EngineError.from(thrown, 'EDISK', 'the scenes cannot be kept: ')));
  }

  /** Resolves when all is written. */
  async written(): Promise<void> {
    await this.writing;
  }

  /** Whole or not at all, whatever ends the process meanwhile. */
  private async write(file: string): Promise<void> {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify(this.all, null, 1));
    await rename(`${file}.new`, file);
  }
}

/** What a button is called that holds these values. */
export function nameOf({ prompt }: PlayValues): string {
  const line = lineOf(prompt ?? '').trim();
  return line.length > MOST_LETTERS ? `${line.slice(0, MOST_LETTERS - 1)}…` : line;
}

/** A scene of the file; null for a button that holds none, or none that can be used. */
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
