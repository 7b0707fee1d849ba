import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askWords } from '../../nodes/lib/prompt/words';
import { ROOT } from '../lib/reference';

describe('questions about words', () => {
  it('are answered for the embedded model, weights left aside', async () => {
    const { reports } = await askWords('starter', ['(Meer:1.2), quokka', '']);
    assert.deepEqual(reports, [
      {
        words: [
          { word: 'Meer', as: ['sea'], known: true },
          { word: 'quokka', as: [], known: false },
        ],
        added: ['day'],
      },
      { words: [], added: [] },
    ]);
    const { known } = await askWords('starter', [], true);
    assert.ok(known!.list.includes('lighthouse') && known!.others.ja.includes('夕日'));
  });

  it('are answered for a folder that others made, in a process of its own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'words-'));
    try {
      await cp(join(ROOT, 'models/starter/tokenizer'), join(folder, 'tokenizer'), { recursive: true });
      await writeFile(join(folder, 'tokenizer/words.json'), JSON.stringify({ languages: { fr: { words: { sea: ['mer'] } } } }));
      assert.deepEqual((await askWords(folder, ['mer, loup'])).reports, [
        {
          words: [
            { word: 'mer', as: ['sea'], known: true },
            { word: 'loup', as: [], known: false },
          ],
          added: [],
        },
      ]);
      await writeFile(join(folder, 'tokenizer/words.json'), '[]');
      await assert.rejects(askWords(folder, ['loup']), { code: 'EBADMODEL', message: /words\.json/ });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('have no answer where a model reads any text', async () => {
    assert.deepEqual(await askWords('/no/such/folder', ['sea']), {});
  });
});
