// Node-RED's settings for `npm start`: this checkout as an installed package, on this machine only.
const { join } = require('node:path');
const { adminGuard } = require('../dist/nodes/lib/web/site');

const { HOST = '127.0.0.1', PORT = '1880', NODE_RED_USER: user, NODE_RED_PASSWORD_HASH: hash } = process.env;

const site = {
  // The name that it was told to listen to.
  streamdiffusionHosts: [HOST],
  ...(user &&
    hash && {
      adminAuth: { type: 'credentials', users: [{ username: user, password: hash, permissions: '*' }] },
      httpNodeAuth: { user, pass: hash },
    }),
};

module.exports = {
  ...site,
  // Node-RED answers pages of any other site; without a login they could read and change the flows.
  httpAdminMiddleware: adminGuard(site),
  uiHost: HOST,
  uiPort: Number(PORT),
  flowFile: 'flows.json',
  flowFilePretty: true,
  credentialSecret: process.env.NODE_RED_CREDENTIAL_SECRET,
  nodesDir: join(__dirname, '..'),
  editorTheme: {
    tours: false,
    projects: { enabled: false },
    // What this checkout is about stands first.
    palette: { categories: ['streamdiffusion', 'subflows', 'common', 'function', 'network', 'sequence', 'parser', 'storage'] },
  },
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
  logging: { console: { level: 'info', metrics: false, audit: false } },
};
