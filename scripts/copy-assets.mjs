// Copies the files that tsc does not: the nodes' HTML, locales and icons, next to the compiled nodes, where Node-RED looks for
// them, and the pages that the nodes serve.
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
