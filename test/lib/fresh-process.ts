import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './reference';

/** What an export async function body returns in a process of its own, started in the compiled package. */
export async function inFreshProcess(body: string): Promise<Record<string, unknown>> {
  const script = `(async () => { ${body} })().then((result) => console.log(JSON.stringify(result)))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: join(ROOT, 'dist') });
  return JSON.parse(stdout);
}
