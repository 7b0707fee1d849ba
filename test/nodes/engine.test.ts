import assert from 'node:assert/strict';
import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import type { NodeAPI } from 'node-red';
import { stopAllHosts } from '../../engine/host/client';
import type { HostState } from '../../engine/host/protocol/messages';
import engine from '../../nodes/engine';
import type { CheckAnswer } from '../../nodes/lib/engine/check';
import { readProviders } from '../../nodes/lib/engine/fields';
import { getEngine, type EngineNode, type EngineUser } from '../../nodes/lib/engine/node';
import { PATIENCE, calls, helper, startFlow, until, type FlowNode } from '../lib/flow';
import { PATHS } from '../lib/control-cases';
import { changedModel, removeModelFolders } from '../lib/model-folder';
import { REFERENCE_MODEL } from '../lib/reference';
import { isAlive } from '../lib/processes';

const REFERENCE: FlowNode = { id: 'engine', type: 'streamdiffusion-engine', model: REFERENCE_MODEL, modelType: 'str', threads: '1' };

interface Listener extends EngineUser {
  states: HostState[];
}

function listener(): Listener {
  const states: HostState[] = [];
  return { states, onState: (state) => states.push(state) };
}

const phases = ({ states }: Listener): string[] => [...new Set(states.map(({ phase }) => phase))];

describe('engine', () => {
  let red: NodeAPI;
  const start = async (flow: FlowNode[] = [REFERENCE]): Promise<EngineNode> => {
    await startFlow(
      [
        (RED: NodeAPI) => {
          red = RED;
        },
        engine,
      ],
      flow,
    );
    return helper.getNode('engine') as EngineNode;
  };

  afterEach(() => helper.unload());
  after(async () => {
    await stopAllHosts();
    await removeModelFolders();
  });

  it('starts no process until somebody uses it, and shares one', async () => {
    const node = await start();
    const [first, second] = [listener(), listener()];
    const host = node.register(first);
    assert.equal(node.register(second), host);
    await until(
      () => host.state.phase === 'ready',
      PATIENCE,
      () => JSON.stringify(host.state),
    );
    assert.deepEqual(phases(first).slice(-2), ['loading', 'ready']);
    assert.deepEqual(first.states, second.states);
    await node.deregister(first);
    await node.deregister(second);
  });

  it('keeps the process over a deploy, and ends it when nobody uses it any more', async () => {
    const node = await start();
    const user = listener();
    const { pid } = node.register(user);
    assert.ok(pid && isAlive(pid));
    await node.deregister(user);
    assert.equal(node.register(user).pid, pid, 'taken over within the grace period');
    await node.deregister(user);
    await until(
      () => !isAlive(pid),
      PATIENCE,
      () => `process ${pid} still lives`,
    );
  });

  it('says each change of state once in the log', async () => {
    const node = await start();
    const logged = calls('engine', 'log');
    const warned = calls('engine', 'warn');
    const user = listener();
    const host = node.register(user);
    await until(() => host.state.phase === 'ready');
    process.kill(host.pid ?? 0, 'SIGKILL');
    await until(() => phases(user).includes('restarting'));
    await until(() => logged.filter((line) => line === 'log.ready').length === 2);
    assert.deepEqual(logged.filter((line) => line === 'log.loading').length, 2);
    assert.deepEqual(warned.filter((line) => line === 'log.restarting').length, 1);
    assert.deepEqual(logged.filter((line) => line === 'log.restored').length, 1, 'how long it was away, and which streams go on');
    await node.deregister(user);
  });

  it('refuses fields that cannot work when the first user comes', async () => {
    const bad = [
      { modelType: 'str', model: ' ' },
      { modelType: 'env', model: 'NOT_SET_ANYWHERE' },
      { threads: 'many' },
      { threads: '-1' },
      { executionProviders: 'cu da' },
      { device: '1.5' },
      { memoryLimit: 'much' },
      { hangLimit: '0' },
    ];
    for (const fields of bad) {
      const node = await start([{ ...REFERENCE, ...fields }]);
      assert.throws(() => node.register(listener()), { code: 'EBADPARAM' }, JSON.stringify(fields));
      await helper.unload();
    }
    await start();
    assert.throws(() => getEngine(red, ''), { code: 'EBADPARAM', message: /no engine is chosen/ });
    assert.throws(() => getEngine(red, 'gone'), { code: 'EBADPARAM', message: /missing or disabled/ });
  });

  it('finds a model by an environment variable', async () => {
    process.env.TEST_MODEL_FOLDER = REFERENCE_MODEL;
    const node = await start([{ ...REFERENCE, modelType: 'env', model: 'TEST_MODEL_FOLDER' }]);
    const user = listener();
    const host = node.register(user);
    await until(
      () => host.state.phase === 'ready',
      PATIENCE,
      () => JSON.stringify(host.state),
    );
    await node.deregister(user);
    delete process.env.TEST_MODEL_FOLDER;
  });

  it('reads the list of execution providers, and which card they run on', () => {
    assert.deepEqual(readProviders(undefined, ''), ['cpu']);
    assert.deepEqual(readProviders(' CUDA, cpu ,', '0'), ['cuda', 'cpu']);
    assert.deepEqual(readProviders('tensorrt,cuda:2,cpu', '1'), ['tensorrt:1', 'cuda:2', 'cpu']);
  });

  describe('the check of a model', () => {
    let server: Server;
    let address: string;

    beforeEach(async () => {
      await start();
      const app: Express = red.httpAdmin;
      server = app.listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/streamdiffusion/engine/check`;
    });
    afterEach(() => {
      server.closeAllConnections();
      server.close();
    });

    const check = async (query: Record<string, string>): Promise<CheckAnswer> =>
      (await (await fetch(`${address}?${new URLSearchParams(query)}`)).json()) as CheckAnswer;

    it('says what a folder contains', async () => {
      for (const query of [
        { modelType: 'starter', model: '' },
        { modelType: 'str', model: REFERENCE_MODEL },
      ]) {
        const { usable, lines, report } = await check(query);
        assert.equal(usable, true, lines.join('\n'));
        assert.equal(lines[0], 'check.usable');
        assert.deepEqual(
          report?.nets.map(({ name }) => name),
          ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'],
        );
      }
    });

    it('looks at the model with the autoencoder that the dialog names', async () => {
      const asked = { modelType: 'starter', model: '' };
      const wrong = await check({ ...asked, autoencoder: REFERENCE_MODEL });
      assert.equal(wrong.usable, false);
      assert.match(wrong.lines.join(), /latents of 4 channels, but the unet takes 16/);
      assert.equal((await check({ ...asked, autoencoder: ' ' })).usable, true);
    });

    it('says what the adapters in the dialog are', async () => {
      const adapters = [
        { name: 'depth', path: PATHS.depth },
        { name: 'lost', path: '/nowhere' },
      ];
      const asked = { modelType: 'str', model: REFERENCE_MODEL };
      const { usable, lines, report } = await check({ ...asked, adapters: JSON.stringify(adapters) });
      assert.equal(usable, true);
      assert.equal(lines.filter((line) => line === 'adapters.line').length, 2);
      assert.deepEqual(
        report?.adapters.map(({ name, kind }) => [name, kind]),
        [
          ['depth', 'controlnet'],
          ['lost', undefined],
        ],
      );
      for (const wrong of ['no JSON', '[{"name":"depth"}]']) assert.equal((await check({ ...asked, adapters: wrong })).usable, false);
    });

    it('says what is wrong, in a sentence', async () => {
      const wrong: [string, RegExp][] = [
        ['/nowhere/model', /no model folder at \/nowhere\/model/],
        [await changedModel({ 'unet/model.onnx': null }), /unet/],
        [await changedModel({ 'vae_decoder/model.onnx': 'torn' }), /vae_decoder/],
        ['', /empty/],
      ];
      for (const [model, sentence] of wrong) {
        const { usable, lines } = await check({ modelType: 'str', model });
        assert.equal(usable, false);
        assert.match(lines.join('\n'), sentence);
      }
    });

    it('answers anything that is asked', async () => {
      for (const query of [
        '',
        '?model=a&model=b&modelType=x',
        '?modelType=env&model=NOT_SET_ANYWHERE',
        '?id=nowhere',
        `?modelType=str&model=${'%00'}`,
      ]) {
        const status = await new Promise((resolve) => request(address + query, (response) => resolve(response.resume().statusCode)).end());
        assert.equal(status, 200, query);
      }
    });
  });
});
