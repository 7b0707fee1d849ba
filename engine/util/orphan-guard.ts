import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/**
 * Numbers of processes come and go on its descriptor 3; when that ends, this process has ended, however, and what is left
 * of them is killed. It is a shell, which takes a megabyte, in a session of its own, so that what is typed at a terminal does
 * not reach it, and nobody's child, so that it is not among the processes that this one looks after.
 */
const SCRIPT = `(
  all=
  while read -r sign pid; do
    if [ "$sign" != - ]; then all="$all $sign:$pid"; continue; fi
    left=
    for each in $all; do [ "\${each#*:}" = "$pid" ] || left="$left $each"; done
    all=$left
  done
  for each in $all; do kill -s "\${each%%:*}" "\${each#*:}"; done
) <&3 3<&- >/dev/null 2>&1 &`;

let guard: Writable | undefined;

/**
 * Makes a child end with this process even when it cannot do so itself: a stopped child (SIGSTOP, a debugger, a frozen container)
 * does not notice that its parent was killed, and would stay with all its memory. On Windows processes are not stopped in that
 * way.
 *
 * @param how `KILL`; or `CONT` for one that ends by itself once its input has ended, and has a file to finish first
 */
export function endWithParent(child: ChildProcess, how: 'KILL' | 'CONT' = 'KILL'): void {
  const { pid } = child;
  if (process.platform === 'win32' || pid === undefined) return;
  tell(`${how} ${pid}\n`);
  child.once('exit', () => tell(`- ${pid}\n`));
}

function tell(line: string): void {
  guard ??= start();
  guard.write(line);
}

/** Starts the guard. Without a shell there is none, and only children that are not stopped end with their parent. */
function start(): Writable {
  // Not its standard input, which is closed when the first shell ends and leaves the work to the second one.
  const shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true });
  shell.on('error', () => undefined);
  shell.unref();
  const pipe = shell.stdio[3] as Socket;
  pipe.on('error', () => undefined);
  // The pipe does not keep this process alive.
  pipe.unref();
  return pipe;
}
