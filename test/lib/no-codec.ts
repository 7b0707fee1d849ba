import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Hides the native part of sharp from processes that start meanwhile, as after an installation for another machine.
 * @param work may bring it back
 */
export async function withoutCodec(work: (bringBack: () => Promise<void>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'no-codec-'));
  const [hook, missing] = [join(folder, 'hook.cjs'), join(folder, 'missing')];
  await writeFile(missing, '');
  await writeFile(
    hook,
    `const { existsSync } = require('node:fs');
    const modules = require('node:module');
    const load = modules._load;
    modules._load = function (name, ...rest) {
      const isNative = /sharp.*\\.node$|^@img\\/sharp-(?!libvips)/.test(name);
      if (isNative && existsSync(${JSON.stringify(missing)})) throw Object.assign(new Error('Cannot find module ' + name), { code: 'MODULE_NOT_FOUND' });
      return load.call(this, name, ...rest);
    };`,
  );
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `--require ${hook}`;
  try {
    await work(() => rm(missing));
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
    await rm(folder, { recursive: true });
  }
}
