import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer } from '../../../engine/prompt/tokenizer';
import { ROOT } from '../../lib/reference';

/** How byte-level encodings write bytes: printable ones as they are, the others shifted behind them. */
function byteSigns(): string[] {
  const printable = [...Array(256).keys()].filter((b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
  let shifted = 256;
  return [...Array(256).keys()].map((b) => String.fromCharCode(printable.includes(b) ? b : shifted++));
}

const merges = ['c a', 'ca t</w>', 'p h', 'o t', 'ot o</w>', 'ph oto</w>', 'o f</w>', '! !</w>', 'Ã ©</w>'];

/** CLIP's vocabulary in small: printable signs first, so that "!" is 0, then their word ends, the merges and the frame. */
function clipVocabulary(): Record<string, number> {
  const signs = byteSigns();
  const ordered = [
    ...signs.slice(33, 127),
    ...signs.slice(161, 173),
    ...signs.slice(174),
    ...signs.filter((sign) => sign.charCodeAt(0) > 255),
  ];
  const tokens = [
    ...ordered,
    ...ordered.map((sign) => `${sign}</w>`),
    ...merges.map((pair) => pair.replace(' ', '')),
    '<|startoftext|>',
    '<|endoftext|>',
  ];
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

const vocab = clipVocabulary();
const [bos, eos] = [vocab['<|startoftext|>'], vocab['<|endoftext|>']];

describe('tokenizer', () => {
  const folders: string[] = [];
  after(async () => {
    for (const folder of folders) await rm(folder, { recursive: true });
  });

  async function tokenizer(files: Record<string, string | object>): Promise<Tokenizer> {
    const folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
    folders.push(folder);
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
    const loaded = await Tokenizer.load(folder);
    assert.ok(loaded);
    return loaded;
  }

  const clipFiles = (pad: string | { content: string }, length = 16) => ({
    'vocab.json': vocab,
    'merges.txt': `#version: 0.2\n${merges.join('\n')}\n`,
    'special_tokens_map.json': { bos_token: { content: '<|startoftext|>' }, eos_token: '<|endoftext|>', pad_token: pad },
    'tokenizer_config.json': { model_max_length: length },
  });

  describe('of CLIP, from vocab.json and merges.txt', () => {
    let clip: Tokenizer;
    before(async () => (clip = await tokenizer(clipFiles('<|endoftext|>'))));

    const ids = (text: string): number[] => {
      const { ids } = clip.encode(text);
      assert.equal(ids.length, 16);
      assert.equal(ids[0], bos);
      const end = ids.indexOf(eos);
      assert.ok(
        ids.slice(end).every((id) => id === eos),
        'padded with the end token',
      );
      return ids.slice(1, end);
    };
    const of = (...tokens: string[]): number[] => tokens.map((token) => vocab[token]);

    it('joins pairs in the order of the merges, with word ends', () => {
      assert.deepEqual(ids('a photo of a cat'), of('a</w>', 'photo</w>', 'of</w>', 'a</w>', 'cat</w>'));
      assert.deepEqual(ids('cats'), of('ca', 't', 's</w>'));
    });

    it('does not care about case and spaces', () => {
      assert.deepEqual(ids('  A\tPHOTO \n of a   Cat '), ids('a photo of a cat'));
    });

    it('splits signs from words, digits from each other, and English endings', () => {
      assert.deepEqual(ids('photo, cat!'), of('photo</w>', ',</w>', 'cat</w>', '!</w>'));
      assert.deepEqual(ids('cat!!'), of('cat</w>', '!!</w>'));
      assert.deepEqual(ids('42'), of('4</w>', '2</w>'));
      assert.deepEqual(ids("cat's"), of('cat</w>', "'", 's</w>'));
    });

    it('encodes other scripts by their bytes, composed (NFC)', () => {
      assert.deepEqual(ids('é'), of('Ã©</w>'));
      assert.deepEqual(ids('e\u0301'), ids('é'));
      assert.equal(ids('海').length, 3);
    });

    it('keeps the end token when it truncates, and says so', () => {
      const long = clip.encode('cat '.repeat(40));
      assert.deepEqual([long.truncated, long.ids.length, long.ids[0], long.ids[14], long.ids[15]], [true, 16, bos, vocab['cat</w>'], eos]);
      const full = clip.encode('cat '.repeat(14));
      assert.deepEqual([full.truncated, full.ids[15]], [false, eos]);
      assert.deepEqual(clip.encode('').ids, [bos, ...new Array<number>(15).fill(eos)]);
    });

    it('knows all words', () => {
      assert.deepEqual(clip.unknownWords('a quokka'), []);
    });
  });

  it('pads with the pad token of the configs; where that is "!", each "!" in a prompt is its id too, as in transformers', async () => {
    const clip = await tokenizer(clipFiles({ content: '!' }));
    assert.deepEqual(clip.encode('cat').ids, [bos, vocab['cat</w>'], eos, ...new Array<number>(13).fill(0)]);
    assert.deepEqual(clip.encode('cat!!').ids.slice(0, 5), [bos, vocab['cat</w>'], 0, 0, eos]);
  });

  it('pads ids of another convention anew', async () => {
    const [end, bang] = [await tokenizer(clipFiles('<|endoftext|>')), await tokenizer(clipFiles('!'))];
    assert.deepEqual(bang.repad(end.encode('a photo').ids), bang.encode('a photo').ids);
    assert.deepEqual(end.repad(bang.encode('a photo').ids), end.encode('a photo').ids);
    const full = end.encode('cat '.repeat(40)).ids;
    assert.deepEqual(bang.repad(full), full);
  });

  it('gives every id the weight of its piece, and the frame and padding 1', async () => {
    const clip = await tokenizer(clipFiles('<|endoftext|>', 8));
    const pieces = [
      { text: 'a photo', weight: 0.5 },
      { text: 'cat', weight: 2 },
    ];
    const { ids, weights, wanted } = clip.encodeParts(pieces);
    assert.deepEqual(ids, clip.encode('a photo cat').ids);
    assert.deepEqual([weights, wanted], [[1, 0.5, 0.5, 2, 1, 1, 1, 1], 5]);
    const cut = clip.encodeParts([...pieces, { text: 'cat '.repeat(10), weight: 3 }]);
    assert.deepEqual([cut.weights, cut.wanted, cut.ids[7]], [[1, 0.5, 0.5, 2, 3, 3, 3, 1], 15, eos]);
  });

  for (const pad of ['end', 'bang']) {
    it(`gives the ids of transformers' CLIPTokenizer, padded with ${pad === 'end' ? 'the end token' : '"!"'}`, async () => {
      const folder = join(ROOT, 'test/fixtures/tokenizer', pad);
      const clip = await Tokenizer.load(folder);
      assert.ok(clip);
      const prompts: { text: string; ids: number[] }[] = JSON.parse(await readFile(join(folder, 'prompts.json'), 'utf8'));
      assert.equal(prompts.length, 200);
      const padding = clip.encode('').ids[76];
      for (const { text, ids } of prompts) {
        assert.deepEqual(clip.encode(text).ids, [...ids, ...new Array<number>(77 - ids.length).fill(padding)], JSON.stringify(text));
      }
    });
  }

  it('mends a tokenizer.json of CLIP that lacks start and end and splits at spaces only', async () => {
    const clip = await tokenizer({
      'tokenizer.json': {
        added_tokens: [{ id: 0, content: '!', special: true }],
        normalizer: null,
        pre_tokenizer: { type: 'WhitespaceSplit' },
        post_processor: null,
        decoder: null,
        model: {
          type: 'BPE',
          end_of_word_suffix: '</w>',
          unk_token: '<|endoftext|>',
          vocab,
          merges: merges.map((pair) => pair.split(' ')),
        },
      },
      'tokenizer_config.json': { model_max_length: 8, pad_token: '!' },
    });
    assert.deepEqual(clip.encode('Photo, cat.').ids, [
      bos,
      vocab['photo</w>'],
      vocab[',</w>'],
      vocab['cat</w>'],
      vocab['.</w>'],
      eos,
      0,
      0,
    ]);
  });

  it('reads the list of words of the embedded model and leaves out what it does not know', async () => {
    const words = await Tokenizer.load(join(ROOT, 'models/starter/tokenizer'));
    assert.ok(words);
    const { ids } = words.encode('Night, sea');
    assert.equal(ids.length, words.length);
    assert.equal(new Set(ids.slice(0, 4)).size, 4, 'start, two words, end');
    assert.deepEqual(words.encode('night zeppelin sea'), words.encode('Night, sea'));
    assert.deepEqual(
      words.unknownWords('A zeppelin, a Quokka and a zeppelin over the sea').filter((word) => word.length > 4),
      ['zeppelin', 'quokka'],
    );
    assert.deepEqual(words.unknownWords('night sea'), []);
  });

  it('is undefined where a folder has none', async () => {
    assert.equal(await Tokenizer.load('/no/such/folder'), undefined);
  });

  it('names the file that cannot be used', async () => {
    await assert.rejects(tokenizer({ 'tokenizer.json': '{"model":' }), {
      code: 'EBADMODEL',
      message: /tokenizer\.json is not a JSON object/,
    });
    await assert.rejects(tokenizer({ 'tokenizer.json': {} }), {
      code: 'EBADMODEL',
      message: /the tokenizer in .* cannot be used/,
    });
    await assert.rejects(tokenizer({ 'vocab.json': '[]', 'merges.txt': '' }), { code: 'EBADMODEL', message: /vocab\.json/ });
  });
});
