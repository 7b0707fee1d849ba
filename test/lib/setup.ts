/** Before all tests: what is remembered about this machine lies in a folder of the tests' own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cache = mkdtempSync(join(tmpdir(), 'streamdiffusion-cache-'));
process.env.STREAMDIFFUSION_CACHE = cache;
process.on('exit', () => rmSync(cache, { recursive: true, force: true }));
