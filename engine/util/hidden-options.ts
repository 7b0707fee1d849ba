/** An option of ffmpeg for its output, without its dash. */
export type HiddenOption = readonly [name: string, value: string];

/** How a program is to be called. */
export interface Call {
  program: string;
  args: string[];
  /** What is to be written to its standard input before everything else. */
  input?: string;
  /** The exit code that says that the program was not found. */
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
/** Of a shell that does not find what it is to become. */
const NOT_FOUND = 127;

/**
 * How ffmpeg is called with options for its output, whose address is the last argument, that every user of this machine could read among the
 * arguments: it reads them from a file, which only this process and ffmpeg can. On Windows, which has no such files, they are arguments.
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
