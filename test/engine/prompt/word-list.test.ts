import assert from 'node:assert/strict';
import { processorMs } from '../../lib/strain';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer } from '../../../engine/prompt/tokenizer';
import type { WordList } from '../../../engine/prompt/word-list';
import { ROOT } from '../../lib/reference';

const FOLDER = join(ROOT, 'models/starter/tokenizer');
/** Words of the table that the embedded model has nothing for, so far. */
const WITHOUT = ['cat', 'bird', 'person', 'fireworks', 'dolphin', 'wild'];

describe('words of a prompt', () => {
  let tokenizer: Tokenizer;
  let words: WordList;
  let vocabulary: string[];
  const folders: string[] = [];
  before(async () => {
    tokenizer = (await Tokenizer.load(FOLDER))!;
    words = tokenizer.words!;
    const json = JSON.parse(await readFile(join(FOLDER, 'tokenizer.json'), 'utf8')) as { model: { vocab: Record<string, number> } };
    vocabulary = Object.keys(json.model.vocab).slice(4);
  });
  after(async () => {
    for (const folder of folders) await rm(folder, { recursive: true });
  });

  /** The embedded model's tokenizer with another table, or none. */
  async function withTable(table: unknown): Promise<WordList> {
    const folder = await mkdtemp(join(tmpdir(), 'words-'));
    folders.push(folder);
    await cp(FOLDER, folder, { recursive: true });
    if (table === undefined) await rm(join(folder, 'words.json'));
    else await writeFile(join(folder, 'words.json'), typeof table === 'string' ? table : JSON.stringify(table));
    return (await Tokenizer.load(folder))!.words!;
  }

  /** "snowy=snow ?quokka": each word with what it is read as. */
  const read = (text: string, list = words): string =>
    list
      .read(text)
      .map(({ word, as, known }) => (known ? `${word}=${as.join('+')}` : `?${word}`))
      .join(' ');

  it('leaves every word of the list what it is, alone and in any company', () => {
    for (const word of vocabulary) {
      assert.equal(read(word), `${word}=${word}`);
      assert.equal(words.tokens(word.toUpperCase()).join(), word);
    }
    const signs = [' ', ', ', ' - ', '-', '. ', '! ', " '", '; ', '\n', '_', '/', ' (', ') '];
    let seed = 7;
    const draw = (below: number): number => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    for (let k = 0; k < 500; k++) {
      const text = Array.from({ length: 12 }, () => vocabulary[draw(vocabulary.length)] + signs[draw(signs.length)]).join('');
      const before = text
        .toLowerCase()
        .match(/[a-z]+/g)!
        .filter((word) => vocabulary.includes(word));
      assert.deepEqual(words.tokens(text), before, text);
    }
  });

  it('has a meaning for each word of the table', async () => {
    const table = JSON.parse(await readFile(join(FOLDER, 'words.json'), 'utf8')) as {
      default: { unless: string[] };
      languages: Record<string, { words: Record<string, string[]> }>;
    };
    for (const [language, { words: byMeaning }] of Object.entries(table.languages)) {
      for (const [meaning, all] of Object.entries(byMeaning)) {
        const isWithout = WITHOUT.includes(meaning);
        for (const word of all) assert.deepEqual(words.unknown(word), isWithout ? words.unknown(word) : [], `${language}: ${word}`);
        if (meaning !== '' && !isWithout) assert.ok(words.tokens(meaning).length > 0, `${language}: ${meaning}`);
      }
    }
    for (const phrase of table.default.unless) assert.deepEqual(words.added(phrase), [], phrase);
  });

  for (const [text, expected] of [
    ['snowy cliffs, blossoms', 'snowy=snow cliffs=cliffs blossoms=flowers'],
    ['lakes and Meadows; cities', 'lakes=lake and=and Meadows=meadow cities=city'],
    ['the castle’s tower', 'the=the castle=castle tower=tower'],
    ['snow-covered hills', 'snow=snow covered= hills=hills'],
    ['quokka by the sea', '?quokka by=by the=the sea=sea'],
    ['Sonnenuntergang über verschneiten Bergen', 'Sonnenuntergang=sunset über=over verschneiten=snow Bergen=mountain'],
    ['Winterwald, Schneelandschaft', 'Winterwald=winter+forest Schneelandschaft=snow+countryside'],
    ['Kirschblueten im Fruehling', 'Kirschblueten=cherry+blossom im=in Fruehling=spring'],
    ['Nilpferd im Übermut', '?Nilpferd im=in ?Übermut'],
    ['夕日の海', '夕日=sunset の= 海=sea'],
    ['凍った湖とオーロラ', '凍った=icy 湖=lake と= オーロラ=northern+lights'],
    ['雪山と山羊', '雪山=snow+mountain と= ?山羊'],
    ['森林里的一座城堡', '森林=forest 里=in 的= 一座= 城堡=castle'],
    ['海上的帆船和大象', '海上=sea 的= 帆船=sailboat ?和 ?大象'],
    ['море и небо', '?море ?и ?небо'],
    ['바다, دریا, θάλασσα', '?바다 ?دریا ?θάλασσα'],
    ['ทะเลสวย', '?ทะเล ?สวย'],
    ['château', 'château=chateau'],
    ['ＦＯＲＥＳＴ', 'ＦＯＲＥＳＴ=forest'],
    ['8k 🌋 sea', '?8k ?🌋 sea=sea'],
  ]) {
    it(`reads ${text}`, () => assert.equal(read(text).replace('?和', '和').replace('和=and', '和'), expected.replace('?和', '和')));
  }

  it('says each unknown word once, whole, in small letters', () => {
    assert.deepEqual(words.unknown('Übermut, quokka, QUOKKA and a quokka'), ['übermut', 'quokka']);
    assert.deepEqual(tokenizer.unknownWords('犀の海'), ['犀']);
  });

  it('adds "day" where a prompt names no time of day, in any language, and to nothing that is empty', () => {
    for (const text of ['forest', 'a castle in the desert', 'Wald', '森', '森林', 'red house, blue sky'])
      assert.deepEqual(words.added(text), ['day'], text);
    for (const text of [
      'forest at night',
      'Sonnenuntergang',
      '夜の森',
      '日落',
      'golden hour',
      'red sky',
      'stormy sea',
      'full moon',
      'day',
      '',
      ' , ',
    ])
      assert.deepEqual(words.added(text), [], text);
  });

  it('needs no table: words are then known or not', async () => {
    const plain = await withTable(undefined);
    assert.equal(read('snowy sea, 海, über', plain), '?snowy sea=sea ?海 ?über');
    assert.deepEqual(plain.added('forest'), []);
  });

  it('takes the table of any model with a word list', async () => {
    const own = await withTable({
      languages: { fr: { endings: { s: [''] }, words: { sea: ['mer', 'océan'], 'cherry blossom': ['fleur de cerisier'] } } },
    });
    assert.equal(read('Océans, fleur de cerisier, mer', own), 'Océans=sea fleur de cerisier=cherry+blossom mer=sea');
    assert.deepEqual(own.added('mer'), []);
  });

  it('says in which file a table is wrong, and where', async () => {
    for (const [table, message] of [
      ['{', /words\.json is not a JSON object/],
      [{}, /words\.json: languages must be/],
      [{ languages: { de: { words: { sea: 'Meer' } } } }, /languages\.de\.words must be an object of lists/],
      [{ languages: { de: { words: {}, endings: { s: 1 } } } }, /languages\.de\.endings/],
      [{ languages: { de: { words: { sea: ['x'.repeat(81)] } } } }, /more than 80 characters/],
      [{ languages: {}, default: { add: 'day' } }, /default must have/],
      [{ language: 3, languages: {} }, /language must be/],
    ] as const) {
      await assert.rejects(
        withTable(table),
        (error: Error & { code?: string }) => error.code === 'EBADMODEL' && message.test(error.message),
        JSON.stringify(table),
      );
    }
  });

  it('reads long texts without a space in bounded time', () => {
    const began = processorMs();
    for (const text of ['海'.repeat(10_000), 'schnee'.repeat(1500), 'a'.repeat(10_000), '東京'.repeat(5000)]) words.report(text);
    const took = processorMs() - began;
    assert.ok(took < 5000, `${took} ms`);
  });
});
