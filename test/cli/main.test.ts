import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Program } from '../lib/program';
import { ROOT } from '../lib/reference';

const COMMANDS = ['run', 'models pull', 'models list', 'models check', 'models repository', 'providers check', 'providers install'];

describe('streamdiffusion: the program', () => {
  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const { code, stdout } = await Program.run(['--version']);
    assert.deepEqual([code, stdout], [0, `${version}\n`]);
  });

  it('is the program that the package installs', () => {
    const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: Record<string, string> };
    assert.match(readFileSync(join(ROOT, bin.streamdiffusion), 'utf8'), /^#!\/usr\/bin\/env node\n/);
  });

  it('explains itself and every command', async () => {
    const { code, stdout } = await Program.run(['--help']);
    assert.equal(code, 0);
    for (const command of COMMANDS) {
      assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
      const help = await Program.run([...command.split(' '), '--help']);
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`^Usage: streamdiffusion ${command}`));
    }
  });

  it('names every option of a command in its help', async () => {
    const { stdout } = await Program.run(['run', '--help']);
    for (const option of [
      'model',
      'prompt',
      'negative',
      'strength',
      'steps',
      'size',
      'seed',
      'guidance',
      'cfg',
      'providers',
      'fps',
      'format',
      'overwrite',
    ]) {
      assert.match(stdout, new RegExp(`^  --${option} `, 'm'));
    }
  });

  it('has a page in the documentation with the same options and variables', async () => {
    const page = readFileSync(join(ROOT, 'docs/command-line.md'), 'utf8');
    const helps = (await Promise.all(COMMANDS.map((command) => Program.run([...command.split(' '), '--help']))))
      .map(({ stdout }) => stdout)
      .join('\n');
    const named = (text: string): string[] => [...new Set(text.match(/(?<![\w-])--[a-z]+|\b(HF|STREAMDIFFUSION)_[A-Z_]+/g))].sort();
    assert.deepEqual(
      named(page).filter((name) => name !== '--help'),
      named(helps).filter((name) => name !== '--help'),
    );
  });

  for (const [args, complaint] of [
    [[], /no command/],
    [['paint'], /there is no command "paint"/],
    [['models', 'push', 'x'], /there is no command "models push"/],
    [['models', 'pull'], /REPO is missing/],
    [['models', 'check', 'a', 'b'], /"b" is one argument too many/],
    [['models', 'pull', 'a/b', '--into', 'c'], /Unknown option '--into'/],
    [['run', 'in', 'out'], /--model is missing/],
    [['run', '--model', 'starter', 'in', 'out'], /--prompt is missing/],
    [['run', '--model', 'starter', '--prompt', 'x', '--steps', 'two', 'in', 'out'], /--steps must be a number; got "two"/],
    [['run', '--model', 'starter', '--prompt', 'x', '--size', '512', 'in', 'out'], /--size must be two numbers such as 512x512; got "512"/],
    [['run', '--model', 'starter', '--prompt', 'x', '--fps', '0', 'in', 'out'], /--fps must be a number above 0/],
    [['run', '--model', 'starter', '--prompt', 'x', '--format', 'bmp', 'in', 'out'], /--format must be png or jpeg/],
  ] as [string[], RegExp][]) {
    it(`says how it was called wrongly: ${args.join(' ') || 'nothing'}`, async () => {
      const { code, stdout, stderr } = await Program.run(args);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, complaint);
      assert.match(stderr, /--help/);
    });
  }
});
