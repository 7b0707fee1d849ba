/**
 * `node --expose-gc dist/test/soak/fuzz-servers-and-models.js [COUNT] [SEED]`: so many damaged answers of servers over each
 * protocol, and model folders with damaged headers and configs; ends with 1 when one of them was not dealt with.
 */
import { fuzzModels } from '../lib/fuzz-models';
import { fuzzReplies } from '../lib/fuzz-replies';

async function main(): Promise<void> {
  const [count, seed] = [Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 7)];
  let faults = 0;
  const tell = async (what: string, work: Promise<{ faults: string[]; memory: { before: number; peak: number } }>): Promise<void> => {
    const started = performance.now();
    const { memory, ...result } = await work;
    faults += result.faults.length;
    const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
    console.log(
      `${what}: ${Math.round((performance.now() - started) / 1000)} s, ${megabytes(memory.before)} before, ${megabytes(memory.peak)} at most\n${JSON.stringify(result, null, 2)}`,
    );
  };
  for (const protocol of ['http', 'grpc'] as const) await tell(`answers over ${protocol}`, fuzzReplies(protocol, count, seed));
  await tell('model folders', fuzzModels(count, seed));
  process.exit(faults > 0 ? 1 : 0);
}

void main();
