/** An option of ffmpeg for its output, without its dash. */
export type HiddenOption = readonly [name: string, value: string];

/** How to call a program. */
export interface Call {
  program: string;
  args: string[];
  /** The text to write to its standard input first. */
  input?: string;
  /** The exit code for a program that was not found. */
  notFound?: number;
}

/**
 * Takes lines up to an empty one from its standard input, and becomes the program, which finds them in its file 4 (a pipe of the shell's: the
 * pipes of Node.js are sockets, which cannot be opened by their names).
 */
const SCRIPT = `lines=
while IFS= read -r line && [ -n "$line" ]; do lines="$lines$line
"; done
exec 4<<END
$lines
END
exec "$0" "$@"`;
/** The exit code of a shell that does not find the program. */
const NOT_FOUND = 127;

/**
 * How ffmpeg is called with secret options for its output, whose address is the last argument. Every user of this machine could
 * read them among the arguments, so ffmpeg reads them from a file that only it and this process can open. On Windows, which has
 * no such files, they are arguments.
 */
export function hiding(
  program: string,
  args: readonly string[],
  hidden: readonly HiddenOption[],
  platform: NodeJS.Platform = process.platform,
): Call {
  if (hidden.length === 0) return { program, args: [...args] };
  const [before, output] = [args.slice(0, -1), args.slice(-1)];
  if (platform === 'win32') return { program, args: [...before, ...hidden.flatMap(([name, value]) => [`-${name}`, value]), ...output] };
  const lines = hidden.map(([name, value]) => `${name}=${value}\n`);
  return {
    program: '/bin/sh',
    args: ['-c', SCRIPT, program, ...before, '-fpre', '/dev/fd/4', ...output],
    input: `${lines.join('')}\n`,
    notFound: NOT_FOUND,
  };
}
