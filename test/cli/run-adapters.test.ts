import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAdapters, readControls, readWeights } from '../../cli/run/adapters';
import { Controls } from '../../cli/run/controls';
import { UsageError } from '../../cli/command';
import type { RawImage } from '../../engine';
import { PATHS } from '../lib/control-cases';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { Program } from '../lib/program';
import { ROOT } from '../lib/reference';
import sharp from 'sharp';

const SIZE = { width: 64, height: 64 };
/** Black on the left, white on the right. */
const step: RawImage = {
  ...SIZE,
  channels: 3,
  data: Uint8Array.from({ length: 3 * 64 * 64 }, (_, byte) => (Math.floor(byte / 3) % 64 < 32 ? 0 : 255)),
};

describe('adapters on the command line', () => {
  it('are paths by names; a LoRA goes by the name of its file', () => {
    assert.deepEqual(readAdapters(['edges=/m/canny', 'a=b=c'], ['/l/ink style.safetensors', 'old=x.safetensors']), {
      edges: '/m/canny',
      a: 'b=c',
      'ink style': '/l/ink style.safetensors',
      old: 'x.safetensors',
    });
    assert.deepEqual(readAdapters(), {});
    assert.throws(() => readAdapters(['edges']), { message: /--adapter must be NAME=PATH; got "edges"/ });
    assert.throws(() => readAdapters(['a=x'], ['a.safetensors']), { message: /two adapters are called "a"/ });
  });

  it('have control pictures by maps, by other names, or from files', () => {
    assert.deepEqual(readControls(['edges', 'shape=soft-edges', 'depth=maps/depth']), [
      { name: 'edges', map: 'edges' },
      { name: 'shape', map: 'soft-edges' },
      { name: 'depth', path: 'maps/depth' },
    ]);
    assert.throws(() => readControls(['depth']), UsageError);
    assert.throws(() => readControls(['silhouette']), { message: /empty room/ });
  });

  it('have strengths by names', () => {
    assert.deepEqual(readWeights('edges=0.8, style=-1'), { edges: 0.8, style: -1 });
    assert.equal(readWeights(undefined), undefined);
    for (const wrong of ['edges', 'edges=', 'edges=much', '=1', '']) assert.throws(() => readWeights(wrong), UsageError, wrong);
  });
});

describe('streamdiffusion with adapters', () => {
  let model: string;
  let folder: string;
  before(async () => {
    // The reference model has no tokenizer, and no texts without one.
    const files = await readdir(join(ROOT, 'models/starter/tokenizer'));
    const read = (name: string): Promise<Buffer> => readFile(join(ROOT, 'models/starter/tokenizer', name));
    model = await changedModel(Object.fromEntries(await Promise.all(files.map(async (name) => [`tokenizer/${name}`, await read(name)]))));
    folder = await mkdtemp(join(tmpdir(), 'run-adapters-'));
    await sharp(Buffer.from(step.data), { raw: step }).toFile(join(folder, 'in.png'));
  });
  after(async () => {
    await rm(folder, { recursive: true });
    await removeModelFolders();
  });

  it('paints by a control map of every frame, as strongly as asked for; without strength as without the adapter', async () => {
    const paint = async (out: string, ...more: string[]): Promise<Buffer> => {
      const options = ['--model', model, '--prompt', 'night', '--size', '64x64', '--steps', '1', ...more];
      const { code, stdout, stderr } = await Program.run(['run', ...options, 'in.png', out], {}, folder);
      assert.equal(code, 0, stderr);
      assert.equal(/^adapters: lines \(controlnet\)$/m.test(stdout), more.length > 0);
      return sharp(join(folder, out)).raw().toBuffer();
    };
    const adapter = ['--adapter', `lines=${PATHS.lines}`, '--control', 'lines=edges'];
    const [plain, off, half, full] = [
      await paint('plain.png'),
      await paint('off.png', ...adapter, '--weights', 'lines=0'),
      await paint('half.png', ...adapter, '--weights', 'lines=0.5'),
      await paint('full.png', ...adapter),
    ];
    assert.deepEqual(off, plain);
    const change = (a: Buffer, b: Buffer): number => a.reduce((sum, value, k) => sum + Math.abs(value - b[k]), 0);
    assert.ok(change(full, plain) > 0 && change(half, plain) > 0 && change(half, full) > 0);
  });

  it('paints by a picture as a prompt, as strongly as asked for', async () => {
    const paint = async (out: string, ...more: string[]): Promise<Buffer> => {
      const options = [
        '--model',
        model,
        '--prompt',
        'night',
        '--size',
        '64x64',
        '--steps',
        '1',
        '--adapter',
        `look=${PATHS.picture}`,
        ...more,
      ];
      const { code, stderr } = await Program.run(['run', ...options, '--overwrite', 'in.png', out], {}, folder);
      assert.equal(code, 0, stderr);
      return sharp(join(folder, out)).raw().toBuffer();
    };
    const plain = await paint('words.png');
    const shown = await paint('shown.png', '--picture', 'look=in.png');
    assert.notDeepEqual(shown, plain);
    assert.deepEqual(await paint('one.png', '--picture', 'in.png'), shown, 'without a name for the one that shows it');
    assert.deepEqual(await paint('off.png', '--picture', 'in.png', '--weights', 'look=0'), plain);
    const fails = async (says: RegExp, ...more: string[]): Promise<void> => {
      const { code, stderr } = await Program.run(['run', '--model', model, '--prompt', 'x', ...more, 'in.png', 'no.png'], {}, folder);
      assert.equal(code, 1);
      assert.match(stderr, says);
    };
    await fails(/no adapter that shows one; add an IP-Adapter/, '--size', '64x64', '--picture', 'in.png');
    await fails(/nowhere\.png cannot be read/, '--adapter', `look=${PATHS.picture}`, '--picture', 'nowhere.png');
  });

  it('says in a check of the model what each adapter is, and fails where one cannot be used', async () => {
    const check = (...adapters: string[]): ReturnType<typeof Program.run> =>
      Program.run(['models', 'check', model, ...adapters.flatMap((each) => ['--adapter', each])], {}, folder);
    const plus = join(ROOT, 'test/fixtures/ip-adapter-plus');
    const good = await check(`lines=${PATHS.lines}`, `look=${PATHS.picture}`, `finer=${plus}`);
    assert.equal(good.code, 0);
    assert.match(good.stdout, /^ {2}adapter {2}lines: controlnet$/m);
    assert.match(good.stdout, /^ {2}adapter {2}look: ip-adapter \(plain\)$/m);
    assert.match(good.stdout, /^ {2}adapter {2}finer: ip-adapter \(plus\)$/m);
    const bad = await check(`lines=${PATHS.lines}`, 'mine=in.png');
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /^ {2}adapter {2}mine: no: .*in\.png is of no known kind/m);
  });
});

describe('control pictures of frames', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'controls-'));
    for (const [k, level] of [50, 150].entries())
      await sharp({ create: { ...SIZE, channels: 3, background: { r: level, g: level, b: level } } }).toFile(join(folder, `${k}.png`));
  });
  after(() => rm(folder, { recursive: true }));

  it('are drawn of each frame', async () => {
    const controls = await Controls.open([{ name: 'shape', map: 'edges' }], SIZE);
    const { shape } = await controls.of(step);
    assert.deepEqual([shape.width, shape.height, shape.channels, shape.data.length], [64, 64, 3, step.data.length]);
    const columns = Array.from({ length: 64 }, (_, x) => shape.data[3 * (32 * 64 + x)]);
    assert.ok(columns.slice(28, 36).includes(255) && columns.slice(0, 24).every((value) => value === 0), columns.join());
    await controls.close();
  });

  it('come from files in their order, and the last one stays', async () => {
    const controls = await Controls.open([{ name: 'depth', path: folder }], SIZE);
    const levels: number[] = [];
    for (let k = 0; k < 3; k++) levels.push((await controls.of(step)).depth.data[0]);
    assert.deepEqual(levels, [50, 150, 150]);
    await controls.close();
    await assert.rejects(Controls.open([{ name: 'depth', path: join(folder, 'nothing') }], SIZE), { code: 'ESOURCE', message: /nothing/ });
  });
});
