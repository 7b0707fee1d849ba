import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { ROOT } from './lib/reference';

/**
 * The rooms of the code, from the top down: a file imports from its own room and from those below it. Rooms in one line do
 * not know each other.
 */
const ROOMS: string[][] = [
  ['cli', 'nodes'],
  ['nodes/lib/control', 'nodes/lib/denoiser', 'nodes/lib/filter', 'nodes/lib/play', 'nodes/lib/source'],
  ['nodes/lib/prompt', 'nodes/lib/sink'],
  ['nodes/lib/engine'],
  ['nodes/lib/ffmpeg', 'nodes/lib/web'],
  ['nodes/lib/common'],
  ['engine/host'],
  ['engine/hub', 'engine'],
  ['engine/stream'],
  ['engine/model'],
  ['engine/prompt'],
  ['engine/net'],
  ['engine/image', 'engine/diffusion'],
  // What all of the engine speaks in: its errors, its types, and its smallest tools.
  ['engine/util'],
];
const GROUND = ['engine/errors.ts', 'engine/types.ts'];

/** The longest room that holds the file. */
function roomOf(file: string): string {
  if (GROUND.includes(file)) return 'engine/util';
  const rooms = ROOMS.flat().filter((room) => file.startsWith(`${room}/`));
  return rooms.reduce((longest, room) => (room.length > longest.length ? room : longest), '');
}

const depth = (room: string): number => ROOMS.findIndex((level) => level.includes(room));

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => normalize(join(folder, file)).replaceAll('\\', '/'));
}

/** The files of this package that a file imports. `types.ts` is the face of the library: it names types of what lies above it. */
function importsOf(file: string, types = file !== 'engine/types.ts'): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const paths = [...text.matchAll(/^(?:import|export)( type)?\b[^;'"]*? from '(\.[^']+)';/gm)]
    .filter(([, isType]) => types || !isType)
    .map(([, , path]) => normalize(join(file, '..', path)).replaceAll('\\', '/'));
  return paths.map((path) => (existsSync(join(ROOT, `${path}.ts`)) ? `${path}.ts` : `${path}/index.ts`));
}

describe('rooms', () => {
  const files = ['engine', 'nodes', 'cli'].flatMap(filesIn);

  it('each file has one', () => {
    assert.ok(files.length > 200);
    assert.deepEqual(
      files.filter((file) => roomOf(file) === ''),
      [],
    );
  });

  it('import only from those below', () => {
    const wrong = files.flatMap((file) => {
      const room = roomOf(file);
      return importsOf(file)
        .filter((path) => roomOf(path) !== room && depth(roomOf(path)) <= depth(room))
        .map((path) => `${file} imports ${path}`);
    });
    assert.deepEqual(wrong, []);
  });

  it('hold no circle of files', () => {
    const imports = new Map(files.map((file) => [file, importsOf(file, true)]));
    const done = new Set<string>();
    const circle = (file: string, way: string[]): string[] | undefined => {
      if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
      if (done.has(file)) return undefined;
      const found = (imports.get(file) ?? []).map((path) => circle(path, [...way, file])).find((each) => each !== undefined);
      done.add(file);
      return found;
    };
    for (const file of files) assert.equal(circle(file, [])?.join(' -> '), undefined);
  });
});
