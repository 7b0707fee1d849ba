import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { qrCode } from '../../nodes/lib/common/qr-code';
import { PAGE_LANGUAGES } from '../../nodes/lib/web/pages';
import sink from '../../nodes/sink';
import source from '../../nodes/source';
import { readCode } from '../lib/qr';
import { ROOT } from '../lib/reference';
import { WebFlow } from '../lib/web-flow';

describe('the list of pages of a Node-RED that has none', () => {
  for (const [name, node] of Object.entries({ sink, source }))
    it(`is there, and says so, before the first ${name} is deployed`, async () => {
      const web = await WebFlow.start([node], []);
      try {
        const response = await fetch(`${web.address}/`);
        assert.equal(response.status, 200);
        assert.match(await response.text(), /live: ''.*cameras: ''/);
        const code = await fetch(`${web.address}/qr.svg?to=${encodeURIComponent('http://192.0.2.7:1880/streamdiffusion/a')}`);
        assert.equal(code.status, 200);
      } finally {
        await web.stop();
      }
    });
});

describe('the list of pages', () => {
  let web: WebFlow;
  before(async () => {
    const flow = ['b', 'a'].map((name) => ({ id: `page-${name}`, type: 'streamdiffusion-sink', name, wires: [[]] }));
    web = await WebFlow.start([sink], flow);
  });
  after(() => web.stop());

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(web.address + path, { headers });

  it('names all sinks, in the language that is asked for', async () => {
    for (const path of ['', '/']) {
      const response = await get(path, { 'Accept-Language': 'ja-JP,ja;q=0.9,en;q=0.5' });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('vary'), 'Accept-Language');
      const html = await response.text();
      assert.match(html, /<html lang="ja">/);
      assert.match(html, /live: 'a b'/);
      assert.doesNotMatch(html, /\{\{/);
    }
  });

  it('speaks the language of the browser, of the address, or English', async () => {
    const language = async (accept: string | undefined, query = ''): Promise<string> =>
      /<html lang="(\w+)"/.exec(await (await get(`/a${query}`, accept === undefined ? {} : { 'Accept-Language': accept })).text())![1];
    assert.equal(await language('de-CH'), 'de');
    assert.equal(await language('zh-TW,zh;q=0.9'), 'zh');
    assert.equal(await language('fr-FR,de;q=0.5'), 'de');
    assert.equal(await language('fr'), 'en');
    assert.equal(await language(undefined), 'en');
    assert.equal(await language('de', '?lang=ja'), 'ja');
    assert.equal(await language('de', '?lang=../../x'), 'de');
  });

  it('has QR codes of its own pages, and of nothing else', async () => {
    const code = await get(`/qr.svg?to=${encodeURIComponent('http://192.0.2.7:1880/streamdiffusion/a')}`);
    assert.match(code.headers.get('content-type')!, /svg/);
    assert.match(await code.text(), /^<svg/);
    assert.ok(qrCode('https://example.org/red/streamdiffusion/a/camera?fit=cover'));
    for (const to of [
      '',
      'https://example.org/',
      'javascript:alert(1)//streamdiffusion/',
      'http://a/streamdiffusion/<script>',
      `http://a/streamdiffusion/${'a'.repeat(300)}`,
    ]) {
      assert.equal((await get(`/qr.svg?to=${encodeURIComponent(to)}`)).status, 400, to);
    }
  });

  it('has QR codes that say the address, short and as long as it may be', async () => {
    for (const address of [
      'http://192.0.2.7:1880/streamdiffusion/a',
      'https://example.org/red/streamdiffusion/a_b-2/camera?fit=cover&fade=400',
      `http://[2001:db8::7]:1880/streamdiffusion/${'x'.repeat(64)}/camera`,
      `https://${'h'.repeat(200)}/streamdiffusion/${'n'.repeat(64)}`,
    ]) {
      const svg = Buffer.from(await (await get(`/qr.svg?to=${encodeURIComponent(address)}`)).arrayBuffer());
      assert.equal(await readCode(await sharp(svg).resize(480).png().toBuffer()), address);
    }
  });

  it('has every text in every language, with the same values', () => {
    const texts = PAGE_LANGUAGES.map(
      (language) => JSON.parse(readFileSync(join(ROOT, `nodes/pages/texts/${language}.json`), 'utf8')) as Record<string, string>,
    );
    const valuesOf = (text: string): string[] => (text.match(/__\w+?__/g) ?? []).sort();
    for (const other of texts) {
      assert.deepEqual(Object.keys(other), Object.keys(texts[0]));
      for (const [key, text] of Object.entries(other)) assert.deepEqual(valuesOf(text), valuesOf(texts[0][key]), key);
    }
  });
});
