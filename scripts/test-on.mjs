// `npm run test-on -- [NODE-RED [NODE [TEST FILES]]]`: runs the tests on other versions of Node-RED and Node than those
// installed here, by default 5.0.7 and 24. It works in a copy of this checkout and leaves the checkout unchanged; Node comes
// from the npm package `node`. Test files are named as compiled: dist/test/nodes/sink.test.js.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const [nodeRed = '5.0.7', node = '24', ...files] = process.argv.slice(2);

const copy = mkdtempSync(join(tmpdir(), 'streamdiffusion-test-on-'));
process.once('exit', () => rmSync(copy, { recursive: true, force: true, maxRetries: 3 }));

const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
  maxBuffer: 2 ** 26,
});
for (const file of listed.split('\0').filter((name) => name && existsSync(join(ROOT, name)))) {
  mkdirSync(dirname(join(copy, file)), { recursive: true });
  copyFileSync(join(ROOT, file), join(copy, file));
}

run('npm', ['ci', '--no-audit', '--no-fund']);
run('npm', ['install', '--no-save', '--no-audit', '--no-fund', `node-red@${nodeRed}`, `node@${node}`]);
// The other Node also comes first for all programs that the tests start.
const env = { ...process.env, PATH: [join(copy, 'node_modules/node/bin'), process.env.PATH].join(delimiter) };
run('node', ['-p', "'Node-RED ' + require('node-red/package.json').version + ', Node ' + process.version"], env);
run('npm', ['run', '--silent', 'build'], env);
if (files.length > 0) run('npx', ['mocha', ...files], env);
else run('node', ['scripts/test.mjs'], env);

function run(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: copy, env, stdio: 'inherit', shell: process.platform === 'win32' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
