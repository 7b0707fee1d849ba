import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { runInNewContext } from 'node:vm';
import { ROOT } from './lib/reference';
import { Program } from './lib/program';
import { STREAM_SETTINGS } from '../nodes/lib/denoiser/stream-settings';

interface FlowNode {
  id: string;
  type: string;
  wires?: string[][];
  [field: string]: unknown;
}

const DOCS = join(ROOT, 'docs');
const NODES = ['source', 'filter', 'control', 'prompt', 'denoiser', 'sink', 'engine'];
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const pages = [
  ...['README.md', 'SECURITY.md', 'models/PROVIDERS.md'],
  ...readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
];
/** Without blocks of code, in which nothing is a link or a heading. */
const proseOf = (text: string): string => text.replace(/```[\s\S]*?```/g, '');

/** Headings as GitHub names them in addresses. */
function anchorsOf(file: string): string[] {
  const headings = [...proseOf(readFileSync(file, 'utf8')).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\d _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What a node's dialog saves, as its editor half says it. */
function fieldsOf(name: string): string[] {
  const [, script = ''] = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(read(`nodes/${name}.html`)) ?? [];
  let fields: string[] = [];
  const registerType = (_type: string, { defaults }: { defaults: object }): unknown => (fields = Object.keys(defaults));
  const anything: object = new Proxy(() => undefined, { get: () => anything, apply: () => anything });
  runInNewContext(script, { RED: { nodes: { registerType } }, window: { StreamDiffusion: anything } });
  return fields;
}

const codes = [...read('engine/errors.ts').matchAll(/^ {2}\| '(E[A-Z]+)'/gm)].map(([, code]) => code);
/** The nodes' code, without what it says in comments and texts. */
const sources = readdirSync(join(ROOT, 'nodes'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => read(join('nodes', file)))
  .join('\n')
  .replace(/\/\*[\s\S]*?\*\/|^ *\/\/.*$/gm, '')
  .replace(/'[^'\n]*'|`[^`]*`/g, "''");

describe('documentation', () => {
  for (const page of pages) {
    it(`${page}: its links and pictures are there`, () => {
      const text = proseOf(read(page));
      const targets = [...text.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map(([, link, source]) => link ?? source);
      for (const target of targets.filter((each) => !/^https?:/.test(each))) {
        const [path, anchor] = decodeURIComponent(target).split('#');
        const file = path ? resolve(ROOT, dirname(page), path) : join(ROOT, page);
        assert.ok(existsSync(file), `${target}: there is no ${relative(ROOT, file)}`);
        if (anchor) assert.ok(anchorsOf(file).includes(anchor), `${target}: there is no such heading`);
      }
    });
  }

  it('has as many cells in every row of a table as in its head, so that none is under the wrong heading', () => {
    const cellsOf = (row: string): number => row.replaceAll('\\|', '').split('|').length - 2;
    for (const page of pages) {
      for (const [table] of proseOf(read(page)).matchAll(/(^\|.*\n)+/gm)) {
        const [head, ...rows] = table.trim().split('\n');
        for (const row of rows) assert.equal(cellsOf(row), cellsOf(head), `${page}: ${row}`);
      }
    }
  });

  it('is reached from the README, every page', () => {
    const reached = new Set(['README.md']);
    for (const page of reached) {
      for (const [, target] of proseOf(read(page)).matchAll(/\]\((?!https?:)([^)\s#]+\.md)/g)) {
        const file = join(dirname(page), target);
        if (pages.includes(file)) reached.add(file);
      }
    }
    assert.deepEqual(
      pages.filter((page) => !reached.has(page)),
      [],
    );
  });

  for (const name of NODES) {
    describe(name, () => {
      const page = (): string => read(`docs/nodes/${name}.md`);
      const help = (): string => read(`nodes/locales/en-US/${name}.html`);

      it('has a page that names every field of its dialog', () => {
        assert.ok(fieldsOf(name).length > 3, 'fields were found');
        assert.deepEqual(
          fieldsOf(name).filter((field) => !page().includes(`\`${field}\``)),
          [],
        );
      });

      it('has no error code in page or help that there is not, and every code of its help on its page', () => {
        const codesIn = (text: string): string[] => [...new Set(text.match(/\bE[A-Z]{4,}\b/g) ?? [])];
        assert.deepEqual(
          [...codesIn(page()), ...codesIn(help())].filter((code) => !codes.includes(code)),
          [],
        );
        assert.deepEqual(
          codesIn(help()).filter((code) => !page().includes(code)),
          [],
        );
      });

      it('has only properties of messages in its help that the code knows, and all of them on its page', () => {
        const properties = [...help().matchAll(/<dt(?: class="optional")?>(\w+)/g)].map(([, property]) => property);
        for (const property of properties) {
          assert.match(sources, new RegExp(`msg\\.${property}\\b|\\{[^{}]*\\b${property}\\b[^{}]*\\} = msg\\b`), `${property} in the code`);
          assert.ok(page().includes(`\`${property}\``), `${property} on the page`);
        }
      });

      it('has a flow to import, of nodes and fields that there are', () => {
        const [, json = ''] = /```json\n(\[\n[\s\S]*?\n\])\n```/.exec(page()) ?? [];
        const flow = JSON.parse(json) as FlowNode[];
        const ids = flow.map(({ id }) => id);
        assert.ok(
          flow.some(({ type }) => type === `streamdiffusion-${name}`),
          'with the node itself',
        );
        assert.equal(new Set(ids).size, ids.length);
        for (const node of flow) {
          for (const wire of node.wires?.flat() ?? []) assert.ok(ids.includes(wire), `${node.id} is wired to ${wire}`);
          const kind = NODES.find((each) => node.type === `streamdiffusion-${each}`);
          if (!kind) continue;
          const known = ['id', 'type', 'z', 'x', 'y', 'wires', ...fieldsOf(kind)];
          assert.deepEqual(
            Object.keys(node).filter((field) => !known.includes(field)),
            [],
            `${node.id} has fields that the node has not`,
          );
        }
      });
    });
  }

  it('explains every error code', () => {
    const text = read('docs/messages.md');
    assert.ok(codes.length >= 16);
    assert.deepEqual(
      codes.filter((code) => !text.includes(`| \`${code}\` |`)),
      [],
    );
  });

  it('names every live setting', () => {
    const settings = Object.keys(STREAM_SETTINGS);
    for (const page of ['docs/messages.md', 'docs/nodes/denoiser.md', 'nodes/locales/en-US/denoiser.html']) {
      assert.deepEqual(
        settings.filter((setting) => !new RegExp(`[\`>]${setting}[\`<]`).test(read(page))),
        [],
        page,
      );
    }
  });

  it('calls the command line as it can be called', async () => {
    const calls = pages.flatMap((page) =>
      [...read(page).matchAll(/^(?:.*?`)?npx streamdiffusion ([^`\n]+)/gm)].map(([, call]) => call.trim()),
    );
    const commandOf = (call: string): string[] =>
      /^(models|providers) /.test(call) ? call.split(' ').slice(0, 2) : call.split(' ').slice(0, 1);
    const commands = new Map(calls.map((call) => [commandOf(call).join(' '), commandOf(call)]));
    assert.ok(commands.size >= 4, 'commands were found');
    for (const [command, words] of commands) {
      const { code, stdout } = await Program.run([...words, '--help']);
      assert.equal(code, 0, `${command} --help`);
      for (const call of calls.filter((each) => each.startsWith(command))) {
        for (const [option] of call.matchAll(/--[a-z-]+/g)) assert.ok(stdout.includes(option), `${command} has no ${option}`);
      }
    }
  });

  it('has a row for each example in the README, by its name', () => {
    const rows = [...read('README.md').matchAll(/^\| (\d\d [^|]+?) \|/gm)].map(([, row]) => row);
    const examples = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
    assert.deepEqual(rows, examples.map((file) => basename(file, '.json').replace(' - ', ' ')).sort());
  });

  it('has scripts that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = pages.flatMap((page) => [...read(page).matchAll(/npm run ([a-z-]+)/g)].map(([, script]) => script));
    assert.deepEqual(
      [...new Set(named)].filter((script) => !(script in scripts)),
      [],
    );
  });
});
