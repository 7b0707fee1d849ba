import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { acquireHost, PROMPT_PICTURES, stopAllHosts } from '../../../../engine/host/client';
import { LARGEST_PROMPT_PICTURE, PromptPictures } from '../../../../engine/host/client/prompt-pictures';
import type { PromptSpec, StreamSettings } from '../../../../engine/host/protocol/messages';
import type { Picture } from '../../../../engine/image/picture';
import { PATHS } from '../../../lib/control-cases';
import { jpeg } from '../../../lib/pictures';
import { removeModelFolders, withTokenizer } from '../../../lib/model-folder';
import { PATIENCE, until } from '../../../lib/until';

const flat = (level: number, side = 8): Picture => ({
  kind: 'raw',
  data: new Uint8Array(3 * side * side).fill(level),
  width: side,
  height: side,
  channels: 3,
});
const of = (...ids: string[]): PromptSpec => ({ prompt: ids.map((id) => ({ text: 'a hill', weight: 1, images: { look: id } })) });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

describe('pictures of prompts', () => {
  it('have one name by their content, and are copies', () => {
    const pictures = new PromptPictures();
    const picture = flat(7);
    const id = pictures.put(picture);
    assert.equal(pictures.put(flat(7)), id);
    assert.notEqual(pictures.put({ ...flat(7), width: 4, height: 16 } as Picture), id);
    picture.data.fill(9);
    assert.equal(pictures.get(id)?.data[0], 7);
    assert.throws(() => pictures.put({ kind: 'encoded', data: new Uint8Array(LARGEST_PROMPT_PICTURE + 1) }), {
      code: 'EBADFRAME',
      message: /8 MiB, not 8\.0/,
    });
  });

  it('stay while a prompt has them, in it or where it comes from; of the others the newest', async () => {
    const pictures = new PromptPictures(10_000, 4);
    const ids = Array.from({ length: 12 }, (_, k) => pictures.put(flat(k)));
    const [, , , , , , , , nine, ...newest] = ids;
    assert.ok(pictures.get(nine));
    const prompt: PromptSpec = { ...of(ids[10]), transition: { from: of(nine), position: 0.5 } };
    pictures.hold(prompt);
    for (let k = 0; k < 8; k++) pictures.put(flat(100 + k));
    await setImmediate();
    collect();
    await setImmediate();
    assert.equal(pictures.get(nine)?.data[0], 8);
    assert.equal(pictures.get(newest[1])?.data[0], 10);
    assert.equal(pictures.get(ids[0]), undefined);
    assert.throws(() => pictures.hold(of(ids[0])), { code: 'EBADPROMPT', message: /no longer kept/ });
    pictures.hold(prompt);
  });
});

describe('host: pictures of prompts', () => {
  const settings: StreamSettings = { mode: 'img2img', width: 64, height: 64, tIndexList: [25], cfgType: 'none', format: 'raw' };
  let model: string;
  let frame: Picture;
  before(async () => {
    model = await withTokenizer();
    frame = await jpeg({ r: 90, g: 90, b: 200 });
  });
  afterEach(() => stopAllHosts());
  after(() => removeModelFolders());

  it('are sent to the engine once, again when it has forgotten them, and to the next process', async () => {
    const host = acquireHost({ model, adapters: { look: PATHS.picture } });
    const stream = host.openStream(settings);
    const asked: string[] = [];
    const get = PROMPT_PICTURES.get.bind(PROMPT_PICTURES);
    const ids = Array.from({ length: 70 }, (_, k) => PROMPT_PICTURES.put(flat(k)));
    PROMPT_PICTURES.get = (id) => {
      asked.push(id);
      return get(id);
    };
    try {
      const paint = async (id: string): Promise<Buffer> => {
        const result = await stream.submit({ picture: frame, conditioning: of(id) });
        assert.equal(result.outcome, 'finished');
        return Buffer.from((result as { data: Uint8Array }).data);
      };
      const first = await paint(ids[0]);
      for (let k = 0; k < 3; k++) assert.deepEqual(await paint(ids[0]), first);
      assert.deepEqual(asked, [ids[0]]);
      for (const id of ids) await paint(id);
      assert.deepEqual(asked, ids, 'each once');
      assert.deepEqual(await paint(ids[0]), first);
      assert.deepEqual(asked, [...ids, ids[0]]);
      const { pid } = host;
      process.kill(pid as number, 'SIGKILL');
      await until(() => host.state.phase === 'ready' && host.pid !== pid, PATIENCE);
      assert.deepEqual(await paint(ids[0]), first);
      assert.deepEqual(asked, [...ids, ids[0], ids[0]]);
    } finally {
      PROMPT_PICTURES.get = get;
    }
  });

  it('that cannot be shown are told with a code, and frames go on without them', async () => {
    const host = acquireHost({ model, adapters: { look: PATHS.picture } });
    const stream = host.openStream(settings);
    const told: [string, string | undefined][] = [];
    stream.onWarning = (text, code) => told.push([text, code]);
    const torn = PROMPT_PICTURES.put({ kind: 'encoded', data: frame.data.subarray(0, 200) });
    const plain = await stream.submit({ picture: frame, conditioning: { prompt: [{ text: 'a hill', weight: 1 }] } });
    for (const [images, code] of [
      [{ look: torn }, 'EBADFRAME'],
      [{ look: 'f'.repeat(64) }, 'EBADPROMPT'],
      [{ other: torn }, 'EBADPARAM'],
    ] as const) {
      const conditioning: PromptSpec = { prompt: [{ text: 'a hill', weight: 1 }], images };
      const before = told.length;
      const painted = await stream.submit({ picture: frame, conditioning });
      assert.deepEqual((painted as { data: Uint8Array }).data, (plain as { data: Uint8Array }).data);
      await until(() => told.length > before, PATIENCE);
      assert.equal(told.at(-1)?.[1], code);
      await assert.rejects(stream.setConditioning(conditioning), { code });
    }
    // What was refused does not come back with the next process.
    assert.equal(stream.newestConditioning, undefined);
  });
});
