/** `node dist/test/soak/recordings.js [SECONDS]`: how much of a recording can be played, however it ended. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENDS, recordingRun } from '../lib/recording-run';

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 12);
  let worst = -Infinity;
  for (const end of ENDS) {
    for (const size of [256, 512, 1024]) {
      const lost: string[] = [];
      for (const fps of [2, 4, 10, 25]) {
        const folder = await mkdtemp(join(tmpdir(), 'recording-'));
        const { recorded, playable, errors } = await recordingRun({ fps, size, seconds, end, folder });
        await rm(folder, { recursive: true });
        worst = Math.max(worst, recorded - playable);
        lost.push(`${fps} fps ${(recorded - playable).toFixed(2)} s${end === 'stop' && errors.length > 0 ? ` (${errors.join()})` : ''}`);
      }
      console.log(`${end}, ${size} px: recorded − playable: ${lost.join(', ')}`);
    }
  }
  console.log(`worst ${worst.toFixed(2)} s of ${seconds} s`);
  if (!(worst < 1)) process.exitCode = 1;
}

void main();
