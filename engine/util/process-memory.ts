import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** The deadline of the program that reads another process's memory, ms. */
const ASK_LIMIT = 5000;

/** Whether {@link residentMemory} is cheap. */
export const IS_CHEAP = process.platform === 'linux';

/**
 * The resident memory of any process, bytes; undefined when it cannot be read. For a process that does not report it itself
 * while a net or a picture blocks its event loop.
 */
export async function residentMemory(pid: number, platform = process.platform): Promise<number | undefined> {
  try {
    if (platform === 'linux') return kilobytesIn(/^VmRSS:\s+(\d+) kB/m, await readFile(`/proc/${pid}/status`, 'utf8'));
    const [program, args] =
      platform === 'win32' ? ['tasklist', ['/FI', `PID eq ${pid}`, '/FO', 'CSV', '/NH']] : ['ps', ['-o', 'rss=', '-p', String(pid)]];
    const { stdout } = await execute(program, args as string[], { timeout: ASK_LIMIT, windowsHide: true });
    // tasklist groups digits by locale: "12,345 K", "12.345 K", "12 345 K".
    return kilobytesIn(platform === 'win32' ? /"([\d.,\s]+) K"\s*$/ : /(\d+)/, stdout);
  } catch {
    return undefined;
  }
}

function kilobytesIn(pattern: RegExp, text: string): number | undefined {
  const digits = pattern.exec(text.trim())?.[1].replace(/\D/g, '');
  return digits ? Number(digits) * 1024 : undefined;
}
