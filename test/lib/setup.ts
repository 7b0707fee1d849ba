/** Runs before all tests: facts remembered about this machine go into a folder of the tests' own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cache = mkdtempSync(join(tmpdir(), 'streamdiffusion-cache-'));
process.env.STREAMDIFFUSION_CACHE = cache;
process.on('exit', () => rmSync(cache, { recursive: true, force: true }));
