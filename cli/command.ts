import { parseArgs, type ParseArgsConfig } from 'node:util';

/** One command of the program. */
export interface Command {
  /** The text of `--help`: usage, then a description, the options and an example. */
  help: string;
  /**
   * @param args the arguments after the command's name
   * @param signal Ctrl+C: clean up and reject
   * @returns the exit code
   */
  run: (args: string[], signal: AbortSignal) => Promise<number>;
}

/** A wrong call of a command: exit code 2, and a hint at the help. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>>;

/**
 * Node's own argument parser, with its errors as {@link UsageError}.
 *
 * @param names of the arguments that are not options, in order; every one is needed
 * @throws UsageError
 */
export function readArguments<T extends Options>(args: string[], options: T, names: string[]): Pick<Parsed<T>, 'values' | 'positionals'> {
  const { values, positionals } = attempt(() => parseArgs({ args, options, allowPositionals: true, strict: true }));
  if (positionals.length < names.length) throw new UsageError(`${names[positionals.length]} is missing`);
  if (positionals.length > names.length) throw new UsageError(`"${positionals[names.length]}" is one argument too many`);
  return { values, positionals };
}

function attempt<T>(parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    // Node's advice on positional arguments that look like options is cut off: it does not help with a typing error.
    if (thrown instanceof TypeError && 'code' in thrown) throw new UsageError(thrown.message.split('. ', 1)[0].replaceAll('\n', ' '));
    throw thrown;
  }
}

/**
 * Reads the number of an option.
 *
 * @throws UsageError
 */
export function readNumber(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new UsageError(`--${name} must be a number; got "${text}"`);
}
