import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeMessage } from 'node-red';
import type { PromptSpec } from '../../engine/prompt/request';
import { stopAllHosts } from '../../engine/host/client';
import denoiser from '../../nodes/denoiser';
import engine from '../../nodes/engine';
import prompt from '../../nodes/prompt';
import { PATHS } from '../lib/control-cases';
import { helper, PATIENCE, startFlow, until } from '../lib/flow';
import { keepLedger, type Ledger } from '../lib/ledger';
import { removeModelFolders, withTokenizer } from '../lib/model-folder';
import { jpegs } from '../lib/pictures';

const DENOISER = { width: '64', height: '64', stepsBy: 'list', tIndexList: '30', cfgType: 'none', format: 'raw' };

describe('pictures as prompts', () => {
  let folder: string;
  let model: string;
  let pictures: Buffer[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'picture-prompts-'));
    pictures = (await jpegs(4)).map(({ data }) => Buffer.from(data));
    await writeFile(join(folder, 'look.jpg'), pictures[1]);
    model = await withTokenizer();
  });
  after(async () => {
    await stopAllHosts();
    await removeModelFolders();
    await rm(folder, { recursive: true });
  });
  afterEach(() => helper.unload());

  let line: Ledger;
  let painter: Ledger;

  async function start(
    fields: object = {},
    adapters: object[] = [{ name: 'look', path: PATHS.picture }],
    further: object = {},
  ): Promise<void> {
    await startFlow(
      [engine, denoiser, prompt],
      [
        { id: 'engine', type: 'streamdiffusion-engine', threads: '1', modelType: 'str', model, adapters },
        { id: 'prompt', type: 'streamdiffusion-prompt', prompt: 'a hill', ...fields, wires: [['denoiser', 'seen']] },
        { id: 'denoiser', type: 'streamdiffusion-denoiser', engine: 'engine', ...DENOISER, ...further, wires: [['out']] },
        { id: 'out', type: 'helper' },
        { id: 'seen', type: 'helper' },
      ],
    );
    line = keepLedger('prompt', ['seen']);
    painter = keepLedger('denoiser', ['out']);
    // The first frame waits until the engine is loaded.
    assert.ok(await paint({}));
  }

  /** Gives a frame to the prompt encoder, and returns what is painted of it. */
  async function paint(msg: object): Promise<Buffer | undefined> {
    const given = { payload: pictures[0], ...msg } as NodeMessage;
    helper.getNode('prompt').receive(given);
    const [passed] = await line.endOf(given);
    if (passed.length === 0) return undefined;
    const [[painted] = []] = await painter.endOf(given);
    return (painted?.payload as { data: Buffer } | undefined)?.data;
  }

  /** Gives what is not a frame, and waits until everybody has taken it over. */
  async function tell(msg: object): Promise<void> {
    const given = { ...msg } as NodeMessage;
    helper.getNode('prompt').receive(given);
    await Promise.all([line.endOf(given), painter.endOf(given)]);
  }

  /** Gives a conditioning by hand, to the denoiser itself. */
  async function direct(own: object): Promise<Buffer> {
    const given = { payload: pictures[0], conditioning: own } as unknown as NodeMessage;
    helper.getNode('denoiser').receive(given);
    const [[painted]] = await painter.endOf(given);
    return (painted.payload as unknown as { data: Buffer }).data;
  }

  const conditioning = (): PromptSpec => line.sent[0].at(-1)?.conditioning as PromptSpec;

  it('are shown from the message on, beside the frames or with them, each as strongly as asked for', async () => {
    await start();
    const plain = await paint({});
    await tell({ pictures: { look: pictures[1] } });
    const one = await paint({});
    const other = await paint({ pictures: { look: pictures[2] } });
    assert.ok(plain && one && other);
    assert.notDeepEqual(one, plain);
    assert.notDeepEqual(other, one);
    assert.deepEqual(await paint({}), other, 'it stays');
    assert.deepEqual(await paint({ pictures: { look: pictures[1] } }), one, 'by its content');
    const half = await paint({ params: { weights: { look: 0.5 } } });
    assert.notDeepEqual(half, one);
    assert.deepEqual(await paint({ params: { weights: { look: 0 } } }), plain, 'weight 0 is as without, to the byte');
    assert.deepEqual(await paint({ params: { weights: { look: 1 } } }), one);
    await tell({ pictures: { look: null } });
    assert.deepEqual(await paint({}), plain, 'null takes it away');
    assert.deepEqual([...line.errors, ...painter.errors], []);
  });

  it('go by their names alone, in a conditioning that is small and plain', async () => {
    await start();
    await tell({ prompt: 'a hill', pictures: { look: pictures[1] } });
    const { images } = conditioning();
    assert.match(String(images?.look), /^[0-9a-f]{64}$/);
    assert.ok(JSON.stringify(conditioning()).length < 300);
    assert.equal(line.sent[0].at(-1)?.pictures, undefined, 'its bytes go no further');
    const shown = await paint({});
    const again = JSON.parse(JSON.stringify(conditioning())) as PromptSpec;
    await tell({ reset: true });
    assert.notDeepEqual(await paint({}), shown);
    assert.deepEqual(await direct(again), shown);
    assert.deepEqual(await direct({ ...again, images: { look: pictures[1].toString('base64') } }), shown);
    assert.deepEqual(painter.errors, []);
    helper.getNode('denoiser').receive({ payload: pictures[0], conditioning: { ...again, images: { look: 'f'.repeat(64) } } } as never);
    await until(() => painter.errors.length === 1, PATIENCE);
    assert.deepEqual(painter.errors, ['EBADPROMPT'], 'a picture that nobody has');
  });

  it('leave pictures of the frame to the frame', async () => {
    await start({}, [
      { name: 'look', path: PATHS.picture },
      { name: 'depth', path: PATHS.depth },
    ]);
    const plain = await paint({});
    const controlled = await paint({ pictures: { depth: pictures[1] } });
    assert.deepEqual(Object.keys(line.sent[0].at(-1)?.pictures as object), ['depth']);
    assert.equal(conditioning().images, undefined);
    const both = await paint({ pictures: { depth: pictures[1], look: pictures[2] } });
    assert.ok(plain && controlled && both);
    assert.notDeepEqual(controlled, plain);
    assert.notDeepEqual(both, controlled);
    assert.deepEqual(Object.keys(conditioning().images ?? {}), ['look']);
    assert.deepEqual([...line.errors, ...painter.errors], []);
  });

  it('come from the dialog, as a file or as what is kept in the flow, until a message brings another', async () => {
    await start({ picture: join(folder, 'look.jpg'), pictureFor: 'look' });
    const shown = await paint({});
    await tell({ pictures: { look: pictures[2] } });
    assert.notDeepEqual(await paint({}), shown);
    await tell({ reset: true });
    assert.deepEqual(await paint({}), shown);
    await helper.unload();
    await start({ picture: `data:image/jpeg;base64,${pictures[1].toString('base64')}` });
    assert.deepEqual(await paint({}), shown, 'without a name it is for the adapter that shows one');
    await helper.unload();
    await start({ picture: join(folder, 'nowhere.jpg') });
    assert.notDeepEqual(await paint({}), shown, 'a file that is not there leaves the texts');
  });

  it('change gradually, from words alone to a picture, and from one picture to another', async () => {
    await start();
    const way = { frames: 4, easing: 'linear', pace: 'embedding' };
    // All at once: where frames are long in coming, the prompt encoder goes on without them.
    const given = [{}, { pictures: { look: pictures[1] }, transition: way }, {}, {}, {}].map(
      (more) => ({ payload: pictures[0], ...more }) as NodeMessage,
    );
    for (const msg of given) helper.getNode('prompt').receive(msg);
    const frames: Buffer[] = [];
    for (const msg of given) {
      const [[{ conditioning: own }]] = await line.endOf(msg);
      frames.push(await direct(own as object));
    }
    await helper.unload();
    await start();
    await tell({ pictures: { look: pictures[1] } });
    assert.deepEqual(frames.at(-1), await paint({}), 'it arrives');
    await tell({ reset: true });
    assert.deepEqual(frames.at(0), await paint({}), 'it sets out');
    assert.equal(new Set(frames.map((frame) => frame.toString('latin1'))).size, 5, 'every step is another picture');
    await tell({ pictures: { look: pictures[1] } });
    const from = await paint({});
    const between = await paint({ pictures: { look: pictures[2] }, transition: { ...way, frames: 2, method: 'slerp' } });
    const to = await paint({});
    assert.equal(new Set([from, between, to].map((frame) => frame?.toString('latin1'))).size, 3);
    assert.deepEqual([...line.errors, ...painter.errors], []);
  });

  it('blend with texts by their weights', async () => {
    await start();
    const shown = { text: 'a hill', image: pictures[1] };
    await tell({ pictures: { look: pictures[1] } });
    const whole = await paint({});
    await tell({ reset: true });
    const plain = await paint({});
    const of = (weight: number): Promise<Buffer | undefined> =>
      paint({
        prompt: [
          { ...shown, weight },
          { text: 'a hill', weight: 1 - weight },
        ],
      });
    assert.deepEqual(await of(1), whole);
    assert.deepEqual(await of(0), plain);
    const half = await of(0.5);
    assert.notDeepEqual(half, whole);
    assert.notDeepEqual(half, plain);
    await tell({ prompt: [{ image: pictures[1] }] });
    assert.deepEqual(
      conditioning().prompt.map(({ text }) => text),
      [''],
    );
    assert.deepEqual([...line.errors, ...painter.errors], []);
  });

  it('that are none, too large or of no use say so with a code, and leave what there was', async () => {
    await start();
    await tell({ pictures: { look: pictures[1] } });
    const shown = await paint({});
    const refused = async (msg: object, code: string): Promise<void> => {
      const before = line.errors.length;
      helper.getNode('prompt').receive(msg as NodeMessage);
      await until(() => line.errors.length > before, PATIENCE);
      assert.equal(line.errors.at(-1), code);
    };
    await refused({ pictures: { look: 'no picture' } }, 'EBADFRAME');
    await refused({ pictures: 'look' }, 'EBADFRAME');
    await refused({ pictures: { look: { data: Buffer.alloc(3 * 2000 * 2000), width: 2000, height: 2000, channels: 3 } } }, 'EBADFRAME');
    await refused({ negativePrompt: [{ text: 'fog', image: pictures[2] }] }, 'EBADPROMPT');
    assert.deepEqual(await paint({}), shown);
    // Only the engine finds out that a file is torn; the stream goes on with what it had.
    await tell({ pictures: { look: pictures[2].subarray(0, 300) } });
    await until(() => painter.errors.length >= 1, PATIENCE);
    assert.equal(painter.errors[0], 'EBADFRAME');
    assert.ok(await paint({ pictures: { look: pictures[1] } }));
    // A name that no adapter has.
    await tell({ pictures: { mine: pictures[1], look: null } });
    assert.equal(painter.errors.at(-1), 'EBADPARAM');
    assert.ok(await paint({}), 'frames go on without it');
  });

  it('on an engine without an adapter for them are told, and frames go on without', async () => {
    await start({}, []);
    const plain = await paint({});
    await tell({ pictures: { look: pictures[1] } });
    assert.deepEqual(painter.errors, ['EBADPARAM']);
    assert.deepEqual(await paint({}), plain);
  });
});
