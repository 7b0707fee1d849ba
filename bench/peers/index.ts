/**
 * Compares the engine with others on the same weights, pictures and machine, in turn: frames per second, JPEG to JPEG.
 *
 *     npm run --silent build && node dist/bench/peers/index.js --python VENV/bin/python
 *         [--model FOLDER] [--size PIXELS] [--steps 1,2,4] [--frames 40] [--rounds 7] [--json FILE]
 *
 * VENV needs bench/peers/requirements.txt. For a full-size model, create FOLDER with test/models/export_full_size.py.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { acquireHost, stopAllHosts } from '../../engine/host/client';
import { encode } from '../../engine/image/codec';
import { modelFolder } from '../../engine/model/files';
import { tIndexList } from '../context';
import { figure, type Figure, interleave, ratio } from '../interleave';
import { saturate } from '../saturate';
import { movingScene } from '../scenes';
import { Peer } from './peer';

const ROOT = resolve(__dirname, '../../..');
const OTHERS = ['reference', 'diffusers', 'plainLoop'] as const;

interface Beside {
  msPerFrame: Record<string, number>;
  /** Frames per second of the engine ÷ those of the other. */
  times: Record<(typeof OTHERS)[number], Figure>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      python: { type: 'string', default: 'python3' },
      model: { type: 'string', default: 'starter' },
      size: { type: 'string', default: '256' },
      steps: { type: 'string', default: '1,2,4' },
      frames: { type: 'string', default: '40' },
      rounds: { type: 'string', default: '7' },
      json: { type: 'string' },
    },
  });
  const [size, frames, rounds] = [values.size, values.frames, values.rounds].map(Number);
  const folder = modelFolder(values.model);
  const pictures = mkdtempSync(join(tmpdir(), 'streamdiffusion-peers-'));
  const jpegs = await Promise.all(movingScene(size, 20).map((picture) => encode(picture, 'jpeg', 85)));
  jpegs.forEach((jpeg, k) => writeFileSync(join(pictures, `${String(k).padStart(3, '0')}.jpg`), jpeg));

  const python = new Peer(values.python, [join(ROOT, 'bench/peers/worker.py'), folder, String(size), pictures]);
  const plainLoop = new Peer(process.execPath, [join(__dirname, 'plain-loop.js'), folder, String(size), pictures]);
  try {
    const peers = { python: await python.ready(), plainLoop: await plainLoop.ready() };
    const host = acquireHost({ model: values.model });
    const results: Record<number, Beside> = {};
    for (const count of values.steps.split(',').map(Number)) {
      const steps = tIndexList(count);
      const stream = host.openStream({ mode: 'img2img', width: size, height: size, tIndexList: steps, cfgType: 'none' });
      await stream.setConditioning({ prompt: [{ text: 'hills at night, moon', weight: 1 }] });
      const ms = await interleave(
        {
          engine: async () => (await saturate(stream, jpegs, frames)).msPerFrame,
          reference: () => python.run({ peer: 'reference', steps, frames }),
          diffusers: () => python.run({ peer: 'diffusers', steps, frames }),
          plainLoop: () => plainLoop.run({ steps, frames }),
        },
        rounds,
      );
      await stream.close();
      const times = Object.fromEntries(OTHERS.map((name) => [name, ratio(ms[name], ms.engine)])) as Beside['times'];
      results[count] = { msPerFrame: Object.fromEntries(Object.entries(ms).map(([name, each]) => [name, figure(each).median])), times };
      print(count, results[count]);
    }
    const report = { model: values.model, size, cpus: `${cpus().length} x ${cpus()[0]?.model.trim()}`, peers, results };
    if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    python.end();
    plainLoop.end();
    await stopAllHosts();
    rmSync(pictures, { recursive: true, force: true });
  }
}

function print(steps: number, { msPerFrame, times }: Beside): void {
  const shown = (name: string): string => `${name} ${(1000 / msPerFrame[name]).toFixed(2)} fps`;
  process.stdout.write(`${steps} steps: ${['engine', ...OTHERS].map(shown).join(', ')}\n`);
  for (const [name, { median, min, max }] of Object.entries(times))
    process.stdout.write(`   ${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)}) times ${name}\n`);
}

void main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
