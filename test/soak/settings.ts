/** `node dist/test/soak/settings.js [INPUTS] [SEED]`: settings under many topics, sound and damaged; ends with 1 when one of them was not dealt with. */
import { stopAllHosts } from '../../engine/host/client';
import { helper } from '../lib/flow';
import { fuzzSettings } from '../lib/fuzz-settings';

async function main(): Promise<void> {
  const [inputs = 10_000, seed = 7] = process.argv.slice(2).map(Number);
  const started = performance.now();
  const result = await fuzzSettings(inputs, seed);
  const rss = Math.round(process.memoryUsage.rss() / 1e6);
  await helper.unload();
  await stopAllHosts();
  console.log(JSON.stringify({ inputs, ...result, rssMB: rss, seconds: Math.round((performance.now() - started) / 1000) }, null, 2));
  process.exit(result.faults.length > 0 || result.streams.join() !== '' ? 1 : 0);
}

void main();
