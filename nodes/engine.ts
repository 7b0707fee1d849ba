import type { NodeAPI } from 'node-red';
import { onClose } from './lib/common/closing';
import { checkModel } from './lib/engine/check';
import { readEngineFields, type EngineDef } from './lib/engine/fields';
import { checkServerOf, type DeployedEngine } from './lib/engine/server-check';
import { EngineUsers, type EngineNode } from './lib/engine/node';
import { serveHealth } from './lib/engine/health';
import { serveStreams } from './lib/engine/live-streams';
import { type EngineCredentials, type ModelSettings, serveModels } from './lib/engine/model-routes';
import { serveProviderChoice } from './lib/engine/provider-routes';
import { logSentences } from './lib/common/start-node';
import { guardAdmin } from './lib/web/site';

/** The engine (config node): one model in a process of its own, shared by all nodes that name it. */
export = (RED: NodeAPI<ModelSettings>): void => {
  function StreamDiffusionEngine(this: EngineNode & DeployedEngine, def: EngineDef): void {
    RED.nodes.createNode(this, def);
    logSentences(this);
    this.deployed = def;
    const users = new EngineUsers(this, () => readEngineFields(RED, this, def), RED._);
    this.register = (user) => users.register(user);
    this.deregister = (user) => users.deregister(user);
    onClose(this, () => users.release());
  }

  RED.nodes.registerType<EngineNode & DeployedEngine, EngineDef, object, EngineCredentials>(
    'streamdiffusion-engine',
    StreamDiffusionEngine,
    {
      credentials: {
        token: { type: 'password' },
        serverToken: { type: 'password' },
        serverUser: { type: 'text' },
        serverPassword: { type: 'password' },
      },
    },
  );

  guardAdmin(RED);
  // The path in the request is read on this machine, so it needs the permission to change flows and not only to read them.
  RED.httpAdmin.get('/streamdiffusion/engine/check', RED.auth.needsPermission('streamdiffusion.write'), checkModel(RED));
  RED.httpAdmin.post('/streamdiffusion/engine/server', RED.auth.needsPermission('streamdiffusion.write'), checkServerOf(RED));
  serveProviderChoice(RED);
  serveModels(RED);
  serveStreams(RED);
  // Mounted before any sink, whose route answers for every other name.
  serveHealth(RED);
};
