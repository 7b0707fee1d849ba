import type { NodeAPI } from 'node-red';
import { onClose } from './lib/closing';
import { checkModel } from './lib/engine-check';
import { readEngineFields, type EngineDef } from './lib/engine-fields';
import { EngineUsers, type EngineNode } from './lib/engine-node';

/** The engine (config node): one model in a process of its own, shared by all nodes that name it. */
export = (RED: NodeAPI): void => {
  function StreamDiffusionEngine(this: EngineNode, def: EngineDef): void {
    RED.nodes.createNode(this, def);
    const users = new EngineUsers(this, () => readEngineFields(RED, this, def), RED._);
    this.register = (user) => users.register(user);
    this.deregister = (user) => users.deregister(user);
    onClose(this, () => users.release());
  }

  RED.nodes.registerType('streamdiffusion-engine', StreamDiffusionEngine);

  // The path in the request is looked up on this machine, so it takes the right to change flows, not only to read them.
  RED.httpAdmin.get('/streamdiffusion/engine/check', RED.auth.needsPermission('streamdiffusion-engine.write'), checkModel(RED));
};
