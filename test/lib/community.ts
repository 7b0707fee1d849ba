import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Third-party packages are kept here from one run to the next, outside this checkout. */
const CACHE =
  process.env.STREAMDIFFUSION_TEST_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'streamdiffusion-node-red-tests');
/** npm may have to fetch a package, but a network that does not answer must not hold up the tests. */
const PATIENCE = 60_000;

/**
 * Makes a package of third-party nodes available to a Node-RED with this user folder.
 *
 * @returns undefined, or the reason why npm cannot provide it here
 */
export async function useCommunityNodes(name: string, userDir: string): Promise<string | undefined> {
  const place = join(CACHE, name.replace('/', '+'));
  if (!existsSync(join(place, 'node_modules', name))) {
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'package.json'), '{ "private": true }');
    // Scripts and optional parts are left out, since the serial port of an OSC library needs a compiler.
    const options = ['--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=0'];
    const { status, stderr } = spawnSync('npm', ['install', name, ...options], { cwd: place, encoding: 'utf8', timeout: PATIENCE });
    if (status !== 0) return `npm does not give ${name} here: ${/\b(E[A-Z0-9]{3,})\b/.exec(stderr)?.[1] ?? 'no answer'}`;
  }
  await symlink(join(place, 'node_modules'), join(userDir, 'node_modules'));
  return undefined;
}
