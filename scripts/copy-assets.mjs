// Copies what tsc does not: the editor halves of the nodes, their locales and icons, beside the compiled node files,
// which is where Node-RED looks for them, and the pages that the nodes serve.
import { cp, mkdir } from 'node:fs/promises';
import { dirname, extname } from 'node:path';

const wanted = (path) => extname(path) === '' || ['.html', '.json', '.svg', '.js', '.css'].includes(extname(path));

for (const [from, to] of [
  ['nodes', 'dist/nodes'],
  ['icons', 'dist/nodes/icons'],
]) {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { recursive: true, filter: wanted });
}
