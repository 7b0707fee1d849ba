import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PATHS } from '../lib/control-cases';
import { filesIn, HubServer } from '../lib/hub-server';
import { Program } from '../lib/program';
import { REFERENCE_MODEL } from '../lib/reference';

const REPOSITORY = 'owner/adapter';

describe('streamdiffusion models pull: a repository that holds an adapter alone', () => {
  let folder: string;
  let hub: HubServer | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'adapters-'));
  });
  afterEach(async () => {
    await hub?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]): ReturnType<typeof Program.run> =>
    Program.run(args, {
      HF_ENDPOINT: hub?.address ?? '',
      HF_HOME: folder,
      STREAMDIFFUSION_MODELS: join(folder, 'models'),
      HF_TOKEN: '',
    });
  const target = (): string => join(folder, 'models', REPOSITORY);

  const repositories: Record<string, () => Promise<{ files: Map<string, Buffer>; path?: string }>> = {
    lora: async () => ({
      files: new Map([
        ['README.md', Buffer.from('a LoRA')],
        ['pytorch_lora_weights.safetensors', await readFile(PATHS.style)],
      ]),
    }),
    controlnet: async () => ({ files: filesIn(PATHS.depth) }),
    'ip-adapter': async () => ({ files: filesIn(PATHS.picture) }),
  };

  for (const [kind, repository] of Object.entries(repositories)) {
    it(`${kind}: brings it, says what it is, and a model takes its folder`, async () => {
      const { files } = await repository();
      hub = await HubServer.start(REPOSITORY, files);
      const pulled = await run('models', 'pull', REPOSITORY);
      assert.equal(pulled.code, 0, pulled.stderr);
      assert.ok(pulled.stdout.includes(`${kind}: --adapter NAME=${target()}`), pulled.stdout);
      assert.match((await run('models', 'list')).stdout, new RegExp(`owner/adapter .*for other models: ${kind} `));
      const alone = await run('models', 'check', REPOSITORY);
      assert.equal(alone.code, 0, alone.stdout);
      assert.match(alone.stdout, /is not a model; it is for others/);
      const together = await run('models', 'check', REFERENCE_MODEL, '--adapter', `mine=${target()}`);
      assert.equal(together.code, 0, together.stdout);
      assert.match(together.stdout, new RegExp(`adapter +mine: ${kind}`));
    });
  }

  it('finds what is damaged in it', async () => {
    hub = await HubServer.start(REPOSITORY, (await repositories.lora()).files);
    await run('models', 'pull', REPOSITORY);
    await truncate(join(target(), 'pytorch_lora_weights.safetensors'), 100);
    const { code, stdout } = await run('models', 'check', REPOSITORY);
    assert.equal(code, 1);
    assert.match(stdout, /pytorch_lora_weights\.safetensors has 100 bytes instead of/);
  });
});
