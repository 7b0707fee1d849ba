/** `node dist/test/soak/rates.js [SECONDS]`: pictures a second that a source sends ÷ min(rate, camera), of videos and network cameras. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { networkCamera, rateOf, videoFile } from '../lib/rates';

const RATES = [5, 15, 25, 30];

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 20);
  const folder = await mkdtemp(join(tmpdir(), 'rates-'));
  let worst = 0;
  for (const kind of ['video', 'camera'] as const) {
    for (const fps of [1, 5, 10, 15, 25, 30, 60]) {
      const camera = kind === 'camera' ? await networkCamera(fps) : undefined;
      const input = camera?.address ?? (await videoFile(folder, fps, Math.max(20, seconds)));
      const rates = await Promise.all(RATES.map((rate) => rateOf({ kind, input, fps: rate }, seconds)));
      camera?.close();
      const ratios = rates.map(({ mean }, k) => mean / Math.min(RATES[k], fps));
      worst = Math.max(worst, ...ratios.map((ratio) => Math.abs(ratio - 1)));
      console.log(
        `${kind === 'video' ? 'file' : 'network'} ${fps} fps: ${ratios.map((ratio, k) => `at ${RATES[k]}: ${ratio.toFixed(3)}`).join(', ')}`,
      );
    }
  }
  await rm(folder, { recursive: true });
  console.log(`furthest off: ${(100 * worst).toFixed(1)} %`);
  if (!(worst <= 0.05)) process.exitCode = 1;
}

void main();
