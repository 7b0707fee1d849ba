/** `node dist/test/soak/redeploy.js [TIMES] [SEED]`: redeploys of mixed kind under load, and what Node-RED's process holds meanwhile. */
import { type Holding, redeploy } from '../lib/redeploy';
import { Server } from '../lib/server';

async function main(): Promise<void> {
  const [times = '300', seed = '7'] = process.argv.slice(2);
  const server = await Server.start();
  await server.ready();
  const seen: Holding[] = [];
  const started = performance.now();
  await redeploy(server, Number(times), Number(seed), (count, holding) => {
    seen.push(holding);
    if (count % 25 === 0)
      console.log(`${count}: ${Math.round(holding.rss / 1e6)} MB, ${holding.files} files, ${holding.children} processes`);
  });
  const settled = seen.slice(50);
  const third = Math.floor(settled.length / 3);
  const median = (part: Holding[], key: keyof Holding): number =>
    part.map((each) => each[key]).sort((a, b) => a - b)[Math.floor(part.length / 2)];
  for (const key of ['rss', 'files', 'children'] as const) {
    console.log(
      `${key}: median ${median(settled.slice(0, third), key)} of the first third after 50, ${median(settled.slice(-third), key)} of the last`,
    );
  }
  console.log(`${Math.round((performance.now() - started) / 1000)} s; ends with code ${await server.stop()}`);
}

void main();
