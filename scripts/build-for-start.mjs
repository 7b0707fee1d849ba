// Builds before `npm start`, or says why it cannot: a checkout may be read-only (a shared folder, an image).
import { spawnSync } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';

/** The reason why nothing can be written; undefined if writing works. */
const obstacle = await mkdir('dist', { recursive: true })
  .then(() => access('dist', constants.W_OK))
  .then(
    () => undefined,
    (error) => error.message,
  );

if (obstacle === undefined) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit', shell: process.platform === 'win32' });
  process.exit(status ?? 1);
}
if (existsSync('dist/nodes/engine.js')) {
  console.error(`This folder cannot be written, so what was built in it before is started (${obstacle}).`);
} else {
  console.error(
    `This folder cannot be written, and nothing was built in it yet. Run "npm run build" as a user who may, or copy the folder (${obstacle}).`,
  );
  process.exit(1);
}
