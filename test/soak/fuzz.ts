/** `node --expose-gc dist/test/soak/fuzz.js [INPUTS] [SEED]`: many damaged inputs, and the memory meanwhile; ends with 1 when one of them was not dealt with. */
import { stopAllHosts } from '../../engine/host/client';
import { helper } from '../lib/flow';
import { fuzz } from '../lib/fuzz';

async function main(): Promise<void> {
  const [inputs = '10000', seed = '7'] = process.argv.slice(2);
  const started = performance.now();
  const result = await fuzz(Number(inputs), Number(seed));
  await helper.unload();
  await stopAllHosts();
  const { memory, ...rest } = result;
  for (const { inputs: after, rss, heap } of memory)
    console.log(`after ${after}: ${(rss / 1e6).toFixed(0)} MB resident, ${(heap / 1e6).toFixed(1)} MB held by JavaScript`);
  console.log(JSON.stringify({ ...rest, seconds: Math.round((performance.now() - started) / 1000) }, null, 2));
  process.exit(result.faults.length > 0 ? 1 : 0);
}

void main();
