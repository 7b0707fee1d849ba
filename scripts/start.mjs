// `npm start`: Node-RED with this checkout as a package and a copy of an example flow.
//   npm start -- --example 1 --model ~/models/sd-turbo
// Environment: PORT (1880), HOST (127.0.0.1).
import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const EXAMPLES = join(ROOT, 'examples');
const { HOST: host = '127.0.0.1', PORT: port = '1880', NODE_RED_USER, NODE_RED_PASSWORD_HASH } = process.env;

/** A wrong use of the command, reported in a sentence without a stack. */
class Mistake extends Error {}

const USAGE = `npm start -- [options]

  --example NAME     another example, by its number or name; there are:
EXAMPLES
  --model FOLDER     a model in place of the embedded one; "starter" goes back to that
  --user-dir FOLDER  where what you change is kept, in place of .node-red/
  --help             this

Environment: PORT (1880), HOST (127.0.0.1)`;

/** Packages of nodes that examples need, by the prefix of the nodes' types. */
const PACKAGES = [
  ['ui-', '@flowfuse/node-red-dashboard'],
  ['osc', 'node-red-contrib-osc'],
  ['Art-Net', '@bannsaenger/node-red-contrib-artnet-controller'],
];

async function start() {
  const { example, model, userDir, help } = readOptions();
  if (help) return console.log(USAGE.replace('EXAMPLES', namesOf(await exampleFiles()).join('\n')));
  await checkAddress();
  const file = await findExample(example);
  const folder = userDir ?? join(ROOT, '.node-red', basename(file, '.json'));
  const flows = await prepareFlows(file, folder, model);

  process.env.NODE_RED_CREDENTIAL_SECRET ??= await ownSecret(folder);
  stopWithNpm();
  process.argv = [process.argv[0], 'red.js', '--userDir', folder, '--settings', join(ROOT, 'scripts/settings.cjs')];
  const require = createRequire(import.meta.url);
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  tellMissing(require, url, folder);
  sayOnce();
  guardUpgrades(require);
  require('node-red/red.js');

  const sinks = flows.filter((node) => node.type === 'streamdiffusion-sink');
  const sources = (kind) => flows.filter((node) => node.type === 'streamdiffusion-source' && node.kind === kind);
  await announce(
    url,
    [
      ...sources('browser').map(({ name }) => ['Camera page', `${name}/camera`]),
      ...sources('drawing').map(({ name }) => ['Drawing page', `${name}/draw`]),
      ...sinks.filter(({ controls }) => controls === 'login' || controls === 'open').map(({ name }) => ['To play', `${name}/play`]),
      ...sinks.filter(({ wishes }) => wishes).map(({ name }) => ['For visitors', `${name}/wish`]),
      ...sinks.map(({ name }) => ['Live picture', name]),
    ],
    flows.filter(({ type, method }) => type === 'http in' && method === 'get').map((node) => ['To try', url + addressToTry(node, flows)]),
  );
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: { example: { type: 'string' }, model: { type: 'string' }, 'user-dir': { type: 'string' }, help: { type: 'boolean' } },
    });
    return {
      help: values.help,
      example: values.example ?? '1',
      model: values.model,
      userDir: values['user-dir'] && resolve(values['user-dir']),
    };
  } catch (error) {
    throw new Mistake(`${error.message}\nOptions: --example NAME, --model FOLDER, --user-dir FOLDER, --help`);
  }
}

/** Refuses an address that strangers could reach without a password, or that is in use. */
async function checkAddress() {
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65535)
    throw new Mistake(`PORT must be a number from 1 to 65535, not "${port}".`);
  const onlyHere = host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  if (!onlyHere && !(NODE_RED_USER && NODE_RED_PASSWORD_HASH)) {
    throw new Mistake(
      `With HOST=${host} everybody on the network could change the flows. Set NODE_RED_USER and NODE_RED_PASSWORD_HASH as well\n` +
        '(npx node-red admin hash-pw makes the hash), or leave HOST out.',
    );
  }
  await new Promise((free, taken) => {
    const probe = createServer()
      .once('error', taken)
      .listen(Number(port), host, () => probe.close(free));
  }).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw new Mistake(`Cannot listen on ${host}:${port}: ${error.message}`);
    throw new Mistake(`Port ${port} is taken. Choose another one: PORT=${Number(port) + 1} npm start`);
  });
}

/** Finds an example's file by its name or number. */
async function findExample(wanted) {
  const files = await exampleFiles();
  const name = wanted.toLowerCase().replace(/\.json$/, '');
  const file = files.find((each) => {
    const known = basename(each, '.json').toLowerCase();
    return known === name || known.replace(/^\d+ - /, '') === name || (/^\d+$/.test(name) && parseInt(known, 10) === Number(name));
  });
  if (file) return join(EXAMPLES, file);
  throw new Mistake(`There is no example "${wanted}". There are:\n${namesOf(files).join('\n')}`);
}

async function exampleFiles() {
  const files = await readdir(EXAMPLES, { recursive: true });
  return files.filter((file) => file.endsWith('.json')).sort((a, b) => basename(a).localeCompare(basename(b)));
}

const namesOf = (files) => files.map((each) => `    ${basename(each, '.json')}`);

/** An address that the flow serves, with the query from its comment, if there is one. */
function addressToTry({ url: path }, flows) {
  const said = flows.map(({ type, name }) => (type === 'comment' && name) || '').find((name) => name.includes(`${path}?`));
  const whole = said ? said.slice(said.indexOf(path)).replace(/ in the browser.*/, '') : path;
  return encodeURI(whole.replace(/^\//, ''));
}

/** Puts the example into the user's folder unless a flow is there already, and the model into its engine nodes. */
async function prepareFlows(example, folder, model) {
  const file = join(folder, 'flows.json');
  const unwritable = (error) => {
    throw new Mistake(
      `Flows cannot be kept in ${folder}: ${error.message}.\nName a folder that you may write to: npm start -- --user-dir FOLDER`,
    );
  };
  await mkdir(folder, { recursive: true })
    .then(() => access(folder, constants.W_OK))
    .catch(unwritable);
  const known = await readFile(file, 'utf8').catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
  const flows = JSON.parse(known ?? (await readFile(example, 'utf8')));
  if (model !== undefined) {
    const choice = model === 'starter' ? { model: '', modelType: 'starter' } : { model: resolve(model), modelType: 'str' };
    if (choice.model)
      await access(choice.model).catch(() => {
        throw new Mistake(`There is no model folder ${choice.model}.`);
      });
    for (const node of flows) if (node.type === 'streamdiffusion-engine') Object.assign(node, choice);
  }
  if (known === undefined || model !== undefined) await writeFile(file, JSON.stringify(flows, null, 4)).catch(unwritable);
  return flows;
}

/** The credentials key of this folder. Node-RED would also make one, but with a long warning before the addresses. */
async function ownSecret(folder) {
  const file = join(folder, '.secret');
  const known = await readFile(file, 'utf8').catch(() => '');
  if (known) return known;
  const secret = randomBytes(32).toString('hex');
  await writeFile(file, secret, { mode: 0o600 });
  return secret;
}

/** npm's shell does not pass a signal on; without this, ending npm would leave Node-RED running. */
function stopWithNpm() {
  if (!process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGTERM'), 500).unref();
}

/**
 * WebSockets, such as the editor's for statuses and debug messages, bypass Node-RED's middleware, so pages of other sites
 * are kept away from them where the server is made.
 */
function guardUpgrades(require) {
  const http = require('node:http');
  const { mayEdit } = require('../dist/nodes/lib/web/site.js');
  const settings = require('./settings.cjs');
  const { createServer } = http;
  http.createServer = (...options) => {
    const server = createServer(...options);
    const emit = server.emit.bind(server);
    server.emit = (event, request, socket, ...more) => {
      // The viewers' routes check host and origin themselves, and name headers that a proxy did not pass on.
      if (event !== 'upgrade' || request.url.startsWith('/streamdiffusion/')) return emit(event, request, socket, ...more);
      mayEdit(request, settings).then((may) => {
        if (may) emit(event, request, socket, ...more);
        else socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () => socket.destroy());
      });
      return true;
    };
    return server;
  };
}

/** Prints the addresses once they answer. */
async function announce(url, ourPages, more) {
  const pages = [['Editor', url], ...ourPages.map(([label, path]) => [label, `${url}streamdiffusion/${path}`])];
  for (const [, address] of pages) await answered(address);
  print([...pages, ...more]);
}

function print(pages, more = []) {
  console.log(['', ...pages.map(([label, address]) => `  ${label.padEnd(14)}${address}`), ...more, ''].join('\n'));
}

/** Says which nodes a flow lacks, without which it does not start, and where to install them. */
function tellMissing(require, url, folder) {
  require('@node-red/util').events.on('runtime-event', async ({ id, payload }) => {
    if (id !== 'runtime-state' || payload?.error !== 'missing-types') return;
    await answered(url);
    const packages = PACKAGES.filter(([start]) => payload.types.some((type) => type.startsWith(start))).map(([, name]) => name);
    const advice =
      packages.length === 0
        ? ['  Its description, in the editor, says which package brings them.']
        : ['  Stop this, install them, and start again:', '', `  npm install --prefix "${folder}" ${packages.join(' ')}`];
    print([['Editor', url]], [`  The flow waits for nodes that are not installed: ${payload.types.join(', ')}.`, ...advice]);
  });
}

/** An unreachable broker is logged once, not every five seconds. */
function sayOnce() {
  const { log } = console;
  let last;
  console.log = (...line) => {
    const said = /\[mqtt-broker:.*$/.exec(String(line[0]))?.[0];
    if (said && said === last) return;
    last = said ?? last;
    log(...line);
  };
}

async function answered(address) {
  for (;;) {
    const status = await fetch(address, { method: 'HEAD' }).then(
      (response) => response.status,
      () => 0,
    );
    if (status > 0 && status !== 404) return;
    await new Promise((wait) => setTimeout(wait, 100));
  }
}

start().catch((error) => {
  console.error(error instanceof Mistake ? error.message : error);
  process.exit(1);
});
