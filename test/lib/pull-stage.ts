import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pull, type PullOptions } from '../../engine/hub/pull';
import { hubSettings } from '../../engine/hub/settings';
import { COMMIT, filesIn, HubServer, sha256 } from './hub-server';
import { REFERENCE_MODEL } from './reference';

export const REPOSITORY = 'owner/tiny-model';
export const WEIGHTS = 'unet/model.onnx_data';
export const weights = randomBytes(3_000_000);
/** What the repository has and no pull takes. */
export const unwanted = [
  'unet/diffusion_pytorch_model.safetensors',
  'unet/model_fp16.onnx',
  'unet/model_fp16.onnx_data',
  'safety_checker/model.onnx',
  'pytorch_model.bin',
  'v1.ckpt',
];

/** A hub with the reference model, and an empty folder to pull it into. */
export class PullStage {
  hub!: HubServer;
  folder!: string;
  target!: string;

  async open(): Promise<void> {
    const files = filesIn(REFERENCE_MODEL);
    files.set(WEIGHTS, weights).set('README.md', Buffer.from('a model card'));
    for (const path of unwanted) files.set(path, randomBytes(1000));
    this.hub = await HubServer.start(REPOSITORY, files);
    this.folder = await mkdtemp(join(tmpdir(), 'pull-'));
    this.target = join(this.folder, 'model');
  }

  async close(): Promise<void> {
    await this.hub.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A pull into `target` that asks again soon; a server that is silent for long is this machine, busy with something else. */
  pull(options: Partial<PullOptions> = {}): ReturnType<typeof pull> {
    const { hub } = this;
    return pull({
      repository: REPOSITORY,
      to: this.target,
      retryPolicy: { silenceMs: 20_000, tries: 3, pauseMs: 5 },
      ...options,
      settings:
        options.settings ??
        hubSettings({ HF_ENDPOINT: hub.address, HF_HOME: join(this.folder, 'hf'), ...(hub.token && { HF_TOKEN: hub.token }) }),
    });
  }

  async contentOf(path: string): Promise<string> {
    return sha256(await readFile(join(this.target, path)));
  }

  /** Everything beside the target that a pull may have left, without the leading folder. */
  async leftovers(): Promise<string[]> {
    return (await readdir(this.folder)).filter((name) => name.startsWith('.'));
  }

  /** Where the weights are while they arrive. */
  get part(): string {
    return join(this.folder, '.model.partial', `${WEIGHTS}.${sha256(weights).slice(0, 12)}.part`);
  }

  hasArrived(from: number): boolean {
    return existsSync(this.part) && statSync(this.part).size === from;
  }

  /** Cuts the weights off when their first megabyte and all other files are here. */
  async cutOff(): Promise<void> {
    const others = [...this.hub.files.keys()].filter((path) => !unwanted.includes(path) && path !== WEIGHTS);
    const staged = join(this.folder, '.model.partial', `commit-${COMMIT}`);
    const areHere = (): boolean => others.every((path) => existsSync(join(staged, path)));
    this.hub.faults.set(WEIGHTS, { cutAfter: 1_000_000, cutWhen: (from) => this.hasArrived(from) && areHere() });
    await assert.rejects(this.pull({ retryPolicy: { tries: 1 } }), { code: 'ENETWORK' });
  }
}

/** A stage of its own for each test of a `describe`. */
export function setPullStage(): PullStage {
  const stage = new PullStage();
  beforeEach(() => stage.open());
  afterEach(() => stage.close());
  return stage;
}
