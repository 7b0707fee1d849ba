import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(__dirname, '../..');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  name: string;
  license: string;
  keywords: string[];
  repository: object;
  bugs: object;
  engines: { node: string };
  dependencies: Record<string, string>;
  'node-red': { version: string; nodes: Record<string, string> };
};
const nodes = Object.entries(manifest['node-red'].nodes);
const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8');

/** All keys of a locale file, as `data-i18n` names them: "label.kind". */
function keysOf(value: object, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === 'object' ? keysOf(inner as object, `${prefix}${key}.`) : [prefix + key],
  );
}

describe('package', () => {
  it('follows the rules of the Flow Library', () => {
    assert.match(manifest.name, /^@[a-z\d][\w-.]+\/[a-z\d][\w-.]*$/, 'a scoped name');
    assert.equal(manifest.license, 'Apache-2.0');
    assert.ok(manifest.keywords.includes('node-red'));
    assert.ok(manifest.repository && manifest.bugs);
    assert.match(manifest['node-red'].version, /^>=4/);
    assert.match(manifest.engines.node, /^>=(20\.9|22\.[0-9]\b)/, 'a Node version that Node-RED 4 and 5 run on');
    assert.ok(Object.keys(manifest.dependencies).length <= 6, 'at most six dependencies');
    assert.ok(!('node-red' in manifest.dependencies), 'Node-RED itself is not among them');
    assert.match(read('LICENSE'), /Apache License\s+Version 2\.0/);
  });

  it('can be read by the scorecard of the Flow Library (P01–P08, N01, N02, D01, D02)', () => {
    const [major, minor] = manifest.engines.node.replace('>=', '').split('.').map(Number);
    assert.ok(major < 22 || (major === 22 && minor <= 9), 'P07: installs on 22.9, the oldest Node of Node-RED 5');
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version: string; dev?: boolean }> };
    const agents = Object.entries(lock.packages).filter(([path, { dev }]) => path.endsWith('/agent-base') && !dev);
    assert.ok(
      agents.every(([, { version }]) => Number.parseInt(version, 10) >= 6),
      'D02: no agent-base before 6',
    );
    const examples = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.json'))
      .map((file) => read('examples', file));
    for (const [name] of nodes) {
      const [, script = ''] = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(read('nodes', `${name}.html`)) ?? [];
      const [, definition = ''] = new RegExp(`registerType\\('streamdiffusion-${name}', (\\{[\\s\\S]*)`).exec(script) ?? [];
      assert.match(
        definition,
        /^\{\s+category: '\w+',\s+color: '#[\dA-F]{6}',\s+icon: '[\w-]+\.svg',/,
        `${name}: its definition is a literal that a parser can read`,
      );
      assert.match(definition, /\n\s+defaults: \{/);
      assert.ok(
        examples.some((example) => Array.isArray(JSON.parse(example)) && example.includes(`"streamdiffusion-${name}"`)),
        `N02: ${name} is in an example`,
      );
    }
  });

  it('has nodes whose types begin with its name', () => {
    assert.deepEqual(
      nodes.map(([name]) => name),
      ['engine', 'source', 'filter', 'control', 'prompt', 'denoiser', 'sink'],
    );
    for (const [name] of nodes) {
      assert.match(read('nodes', `${name}.html`), new RegExp(`registerType\\('streamdiffusion-${name}'`));
      assert.match(read('nodes', `${name}.html`), /<script type="text\/javascript">/);
      assert.match(read('nodes', `${name}.ts`), new RegExp(`'streamdiffusion-${name}'`));
    }
  });

  for (const [name, file] of nodes) {
    it(`${name}: has its editor half, words, help and icon beside it after the build`, () => {
      const folder = dirname(join(ROOT, file));
      const html = readFileSync(join(folder, `${name}.html`), 'utf8');
      const words = JSON.parse(readFileSync(join(folder, 'locales/en-US', `${name}.json`), 'utf8')) as object;
      const help = readFileSync(join(folder, 'locales/en-US', `${name}.html`), 'utf8');
      assert.ok(existsSync(join(ROOT, file)));
      assert.match(help, new RegExp(`data-help-name="streamdiffusion-${name}"`));
      assert.match(help, /<p>[^<]{20,}/, 'a first paragraph for the palette');
      if (name !== 'engine') assert.match(help, /<h3>Inputs<\/h3>[\s\S]*<h3>Outputs<\/h3>/);

      const known = new Set(keysOf(words));
      for (const [, key] of html.matchAll(/data-i18n="(?:\[[\w-]+\])?([^":]+)"/g)) assert.ok(known.has(key), `${key} has a text`);

      const icon = /icon: '([^']+)'/.exec(html)?.[1] ?? '';
      const svg = readFileSync(join(folder, 'icons', icon), 'utf8');
      assert.match(svg, /width="40" height="60"/);
      assert.doesNotMatch(svg.replace(/#fff|none/g, ''), /(fill|stroke)="[^"]*#/, 'white on transparent');
    });
  }

  it('is installed from its lock file by npm 10 as well, which Node 20 and 22 bring', async function () {
    const npm = join(
      dirname(require.resolve('npm/package.json', { paths: [dirname(require.resolve('@node-red/registry/package.json'))] })),
      'bin/npm-cli.js',
    );
    if (!execFileSync(process.execPath, [npm, '--version'], { encoding: 'utf8' }).startsWith('10.')) {
      console.log('    skipped: Node-RED brings another npm than 10');
      return this.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), 'npm-10-'));
    try {
      for (const file of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(ROOT, file), join(folder, file));
      const { stderr } = await promisify(execFile)(
        process.execPath,
        [npm, 'ci', '--dry-run', '--offline', '--cache', join(folder, 'cache')],
        { cwd: folder },
      );
      // With a registry to ask, npm 10 makes this an error: the lock file then lacks what it found there.
      assert.doesNotMatch(stderr, /ERESOLVE/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('contains what it needs to run, the examples and the model, and no tests', async () => {
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: ROOT,
      maxBuffer: 16e6,
    });
    const [{ files, size }] = JSON.parse(stdout) as [{ files: { path: string }[]; size: number }];
    const paths = files.map(({ path }) => path);
    for (const wanted of [
      ...nodes.map(([, file]) => file),
      ...nodes.map(([, file]) => file.replace('.js', '.html')),
      'dist/engine/index.js',
      'dist/engine/index.d.ts',
      'dist/engine/host/process/main.js',
      'dist/engine/net/pool/net-thread-main.js',
      'dist/cli/main.js',
      'dist/nodes/pages/live.html',
      'dist/nodes/pages/pictures.js',
      ...readdirSync(join(ROOT, 'icons')).map((icon) => `dist/nodes/icons/${icon}`),
      ...readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.json'))
        .map((file) => `examples/${file}`),
      'models/starter/unet/model.onnx',
      'models/starter/LICENSE',
      ...readdirSync(join(ROOT, 'resources')).map((file) => `resources/${file}`),
      'README.md',
      'LICENSE',
      'NOTICE',
    ]) {
      assert.ok(paths.includes(wanted), wanted);
    }
    const strangers = paths.filter(
      (path) => /(^|\/)(test|training|bench|shared|\.node-red)\//.test(path) || /\.test\.|\.tsbuildinfo$/.test(path),
    );
    assert.deepEqual(strangers, []);
    assert.ok(size < 40e6, `${size} bytes packed`);
  });
});
