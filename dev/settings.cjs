// Node-RED's settings for `npm start`: this checkout as an installed package, on this machine only.
const { join } = require('node:path');

const { HOST = '127.0.0.1', PORT = '1880', NODE_RED_USER: user, NODE_RED_PASSWORD_HASH: hash } = process.env;

module.exports = {
  uiHost: HOST,
  uiPort: Number(PORT),
  flowFile: 'flows.json',
  flowFilePretty: true,
  nodesDir: join(__dirname, '..'),
  ...(user && hash && {
    adminAuth: { type: 'credentials', users: [{ username: user, password: hash, permissions: '*' }] },
    httpNodeAuth: { user, pass: hash },
  }),
  editorTheme: { tours: false, projects: { enabled: false } },
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
  logging: { console: { level: 'info', metrics: false, audit: false } },
};
