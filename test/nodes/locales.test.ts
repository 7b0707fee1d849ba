import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lib/reference';

const FOLDER = join(ROOT, 'nodes/locales');
const SOURCE = 'en-US';

/** The texts of a file by their whole key. Keys may have dots of their own, so the parts are joined otherwise. */
function textsOf(language: string, file: string): Map<string, string> {
  const texts = new Map<string, string>();
  const walk = (value: object, path: string[]): void => {
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === 'object') walk(inner as object, [...path, key]);
      else texts.set([...path, key].join(' › '), String(inner));
    }
  };
  walk(JSON.parse(readFileSync(join(FOLDER, language, file), 'utf8')) as object, []);
  return texts;
}

/** What a help has in every language: headings and the properties of messages in the same order, and the same pieces of code in its sentences. */
function helpOf(language: string, file: string): { outline: string[]; code: Set<string> } {
  const html = readFileSync(join(FOLDER, language, file), 'utf8');
  const outline = [...html.matchAll(/<(script)[^>]*data-help-name="([\w-]+)"|<(h3|h4|li)>|<(dt)(?: class="optional")?>([^<]+)/g)];
  return {
    outline: outline.map(([, script, name, block, property, text]) => (script ? `help ${name}` : property ? text.trim() : block)),
    code: new Set([...html.matchAll(/<code>([^<]+)<\/code>/g)].map(([, text]) => text.replace(/\s+/g, ' '))),
  };
}

const variablesOf = (text: string): string[] => [...new Set(text.match(/__\w+?__/g) ?? [])].sort();

describe('locales', () => {
  const files = readdirSync(join(FOLDER, SOURCE)).filter((file) => file.endsWith('.json'));
  const helps = readdirSync(join(FOLDER, SOURCE)).filter((file) => file.endsWith('.html'));
  const languages = readdirSync(FOLDER).filter((language) => language !== SOURCE);

  it('call a part of a model no network, and write as the language does', () => {
    const all = (language: string): string =>
      [...files, ...helps].map((file) => readFileSync(join(FOLDER, language, file), 'utf8')).join('\n');
    assert.doesNotMatch(all('de'), /\bNetz(e[ns]?)?\b|Führung|\bSchirm\b/);
    assert.doesNotMatch(all('ja'), /(?<!インター)ネット(?!ワーク)/);
    assert.doesNotMatch(all('zh-CN'), /[个这的选]网络(?!摄像)|[\u4e00-\u9fff][,;:!?]|[,;:!?][\u4e00-\u9fff]/);
  });

  for (const language of languages) {
    describe(language, () => {
      for (const file of files) {
        it(`${file}: every text, with the same variables`, () => {
          const source = textsOf(SOURCE, file);
          const texts = textsOf(language, file);
          assert.deepEqual(
            [...texts.keys()].filter((key) => !source.has(key)),
            [],
            'texts that nobody asks for',
          );
          for (const [key, text] of texts) assert.deepEqual(variablesOf(text), variablesOf(source.get(key)!), key);
          // What is newer than the translation is shown in English; when that is a tenth, it has to be done.
          const missing = [...source.keys()].filter((key) => !texts.has(key));
          assert.ok(missing.length <= Math.ceil(source.size / 10), `without a translation: ${missing.join(', ')}`);
        });
      }

      for (const file of helps) {
        it(`${file}: the help has the same parts, properties, names and codes`, () => {
          const source = helpOf(SOURCE, file);
          const help = helpOf(language, file);
          let at = 0;
          const newer = source.outline.filter((part) => (part === help.outline[at] ? !++at : true));
          assert.equal(at, help.outline.length, `a part that the English help has not, or elsewhere: ${help.outline[at]}`);
          assert.ok(newer.length <= Math.ceil(source.outline.length / 10), `without a translation: ${newer.join(', ')}`);
          assert.deepEqual(
            [...help.code].filter((text) => !source.code.has(text)),
            [],
            'code that the English help has not',
          );
          const missing = [...source.code].filter((text) => !help.code.has(text));
          assert.ok(missing.length <= Math.ceil(source.code.size / 10), `code without a translation: ${missing.join(', ')}`);
        });
      }
    });
  }
});
