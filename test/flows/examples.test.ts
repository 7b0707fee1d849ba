import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');
const FOLDER = join(ROOT, 'examples');

interface FlowNode {
  id: string;
  type: string;
  z?: string;
  x?: number;
  y?: number;
  wires?: string[][];
  [field: string]: unknown;
}

/** Types that every Node-RED has. */
const CORE = new Set([
  'tab',
  'group',
  'comment',
  'inject',
  'debug',
  'function',
  'change',
  'switch',
  'template',
  'http in',
  'http response',
  'link in',
  'link out',
  'delay',
  'file',
  'file in',
  'catch',
  'status',
  'complete',
  'global-config',
  'mqtt in',
  'mqtt out',
  'mqtt-broker',
]);

/** Folders of flows that need somebody else's nodes as well. */
const OTHERS: Record<string, { package: string; types: RegExp }> = {
  'With Dashboard 2': { package: '@flowfuse/node-red-dashboard', types: /^ui-/ },
  'With OSC': { package: 'node-red-contrib-osc', types: /^(osc|udp in|udp out)$/ },
  'With Art-Net': { package: '@bannsaenger/node-red-contrib-artnet-controller', types: /^Art-Net (In|Controller)$/ },
};

const OURS = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))['node-red'].nodes as Record<string, string>;
const html = (name: string): string => readFileSync(join(ROOT, 'nodes', `${name}.html`), 'utf8');

/** The names in a node's `defaults`: what its dialog saves. */
function fieldsOf(name: string): string[] {
  const defaults = /defaults: \{\n([\s\S]*?)\n {8}\}/.exec(html(name))?.[1] ?? '';
  return [...defaults.matchAll(/^ {12}(\w+):/gm)].map(([, field]) => field);
}

describe('example flows', () => {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));

  it('are there', () => assert.ok(files.includes('01 - Live picture.json')));

  for (const file of files) {
    describe(file, () => {
      const nodes = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as FlowNode[];
      const byId = new Map(nodes.map((node) => [node.id, node]));

      it('has a name with a number, for the order in the import menu', () => assert.match(file, /^(.*[\\/])?\d\d - \S.*\.json$/));

      it('is a list of nodes with ids of their own', () => {
        assert.ok(Array.isArray(nodes));
        assert.equal(byId.size, nodes.length);
      });

      it('uses only nodes of this package, of every Node-RED, and of what its folder names', () => {
        const others = Object.entries(OTHERS).find(([folder]) => file.startsWith(folder))?.[1];
        if (others)
          assert.match(String(nodes.find(({ type }) => type === 'tab')?.info), new RegExp(others.package), 'it says what else it needs');
        for (const { type } of nodes)
          assert.ok(CORE.has(type) || others?.types.test(type) || type.replace('streamdiffusion-', '') in OURS, type);
      });

      it('has wires, tabs and engines that exist', () => {
        for (const node of nodes) {
          for (const target of (node.wires ?? []).flat()) assert.ok(byId.has(target), `${node.id} is wired to ${target}`);
          if (node.z) assert.equal(byId.get(node.z)?.type, 'tab', `${node.id} lies on ${node.z}`);
          if (typeof node.engine === 'string') assert.equal(byId.get(node.engine)?.type, 'streamdiffusion-engine');
        }
      });

      it('sets exactly the fields that the dialogs know', () => {
        for (const node of nodes.filter(({ type }) => type.startsWith('streamdiffusion-'))) {
          const saved = Object.keys(node).filter((field) => !['id', 'type', 'z', 'x', 'y', 'wires'].includes(field));
          assert.deepEqual(saved.sort(), fieldsOf(node.type.replace('streamdiffusion-', '')).sort(), node.id);
        }
      });

      it('explains itself and is laid out as one reads: from left to right, then the next row', () => {
        const tab = nodes.find(({ type }) => type === 'tab');
        assert.ok(String(tab?.info).length > 100, 'the tab has a description');
        for (const node of nodes) {
          for (const target of (node.wires ?? []).flat()) {
            const { x, y } = byId.get(target) ?? {};
            // A row is so far below the one before it that statuses and the wire back have room.
            const isNext = Number(x) > Number(node.x) || Number(y) >= Number(node.y) + 80;
            assert.ok(isNext, `${target} is to the right of ${node.id}, or in the next row`);
          }
        }
      });

      it('tells no secrets', () => assert.ok(nodes.every((node) => !('credentials' in node))));
    });
  }

  it('show every node at least once', () => {
    const used = new Set(
      files.flatMap((file) => (JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as FlowNode[]).map(({ type }) => type)),
    );
    for (const name of Object.keys(OURS)) assert.ok(used.has(`streamdiffusion-${name}`), name);
  });
});
