import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../lib/reference';

/** The software device for Vulkan that comes with Debian's Chromium; WebGPU of ONNX Runtime accepts it. */
const DRIVER = process.env.VK_DRIVER_FILES ?? '/usr/lib/chromium/vk_swiftshader_icd.json';

interface Frame {
  provider: string;
  warnings: string[];
  latent: number[];
  picture: number[];
}

describe('WebGPU', function () {
  this.timeout(600_000);
  let painted: { cpu: Frame; free: Frame; fixed: Frame };

  before(async function () {
    if (process.platform !== 'linux' || !existsSync(DRIVER)) {
      console.log(`    skipped: there is no ${DRIVER}; install chromium, or set VK_DRIVER_FILES to a driver for Vulkan`);
      return this.skip();
    }
    // Beside each other: the driver compiles its kernels on one core.
    const [cpu, free, fixed] = await Promise.all([paint('cpu', false), paint('webgpu', false), paint('webgpu', true)]);
    painted = { cpu, free, fixed };
  });

  for (const sizes of ['free', 'fixed'] as const) {
    it(`paints a frame of the embedded model as cpu does, with ${sizes} sizes`, () => {
      const [gpu, cpu] = [painted[sizes], painted.cpu];
      assert.deepEqual([gpu.provider, gpu.warnings], ['webgpu', []]);
      assert.ok(cpu.latent.some((value) => Math.abs(value) > 0.1));
      for (const what of ['latent', 'picture'] as const) {
        const worst = gpu[what].reduce((most, value, i) => Math.max(most, Math.abs(value - cpu[what][i])), 0);
        assert.ok(worst <= (what === 'latent' ? 1e-3 : 1), `${what}: ${worst}`);
      }
    });
  }
});

/** One frame in a process of its own: a driver is found before the runtime loads, or never. */
async function paint(provider: string, fixedShapes: boolean): Promise<Frame> {
  const script = `(async () => {
    const { Engine } = require('./engine');
    const engine = await Engine.load({ model: 'starter', executionProviders: ['${provider}'], fixedShapes: ${fixedShapes}, int8: false });
    const stream = await engine.createStream({ mode: 'img2img', width: 64, height: 64, tIndexList: [20, 35], cfgType: 'none' });
    await stream.setPrompt({ prompt: 'night over the sea' });
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7 + (i >> 6)) % 256);
    await stream.process({ image: { data, width: 64, height: 64, channels: 3 } });
    const [{ latent, image }] = await stream.flush();
    const { warnings, info } = engine;
    await engine.close();
    console.log(JSON.stringify({ provider: info.executionProvider, warnings, latent: [...latent], picture: [...image.data] }));
  })()`;
  const env = { ...process.env, VK_DRIVER_FILES: DRIVER, VK_ICD_FILENAMES: DRIVER, XDG_RUNTIME_DIR: '/tmp' };
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: join(ROOT, 'dist'), env, maxBuffer: 1 << 26 });
  return JSON.parse(stdout);
}
