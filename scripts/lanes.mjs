import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const MOCHA = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin/mocha.js');
const COUNTS = /^(\d+) passed, (\d+) failed, (\d+) skipped$/;
/** How the reporter begins what it says of a test that failed at first. */
const UNSTEADY = 'second attempt: ';
/** Ctrl+C reaches all processes of a terminal by itself, so these signals only make this one wait for the others. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs Mocha once for each lane, all in parallel. The first lane's report is shown as it grows, and those of the others follow
 * as a whole. After them come a line for each test that passed only at its second attempt, and one with the counts of all, which is
 * missing if a lane did not run to its end.
 *
 * @param {string[][]} lanes Mocha's arguments, for each lane
 * @param {(line: string) => void} say
 * @returns {Promise<number>} 0 when all passed, and otherwise 1
 */
export async function runLanes(lanes, say = console.log) {
  const color = process.stdout.isTTY ? ['--color'] : [];
  const children = lanes.map((args) => spawn(process.execPath, [MOCHA, ...color, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
  const stop = (signal) => {
    for (const child of children) if (signal !== 'SIGINT') child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  const reports = lanes.map(() => []);
  const runs = children.map((child, lane) => follow(child, lane === 0 ? say : (line) => reports[lane].push(line)));
  const ends = [];
  for (const [lane, run] of runs.entries()) {
    ends.push(await run);
    for (const line of reports[lane]) say(line);
  }
  for (const signal of SIGNALS) process.off(signal, stop);
  for (const { counts, how } of ends) if (!counts) say(`Not all tests ran: Mocha ended with ${how}.`);
  for (const line of ends.flatMap(({ unsteady }) => unsteady)) say(line);
  if (ends.every(({ counts }) => counts)) {
    const [passed, failed, skipped] = [0, 1, 2].map((k) => ends.reduce((sum, { counts }) => sum + counts[k], 0));
    say(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  }
  return ends.every(({ counts, how }) => counts && how === 'code 0') ? 0 : 1;
}

/** Passes on Mocha's output without its last lines, those of tests at a second attempt and the counts; resolves when it has ended. */
async function follow(child, say) {
  const closed = new Promise((resolve, reject) =>
    child.once('error', reject).once('close', (code, signal) => resolve(signal ?? `code ${code}`)),
  );
  let counts;
  const unsteady = [];
  // A process that a test left running may hold the pipes open. The counts may be late where this process stood still meanwhile.
  child.once('exit', async () => {
    for (let round = 0; round < (counts ? 1 : 10); round++) await sleep(2000, undefined, { ref: false });
    for (const stream of [child.stdout, child.stderr]) stream.destroy();
  });
  const hear = (line) => {
    const found = COUNTS.exec(line);
    if (found) counts = found.slice(1).map(Number);
    else if (line.startsWith(UNSTEADY)) unsteady.push(line);
    else say(line);
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', hear);
  return { how: await closed, counts, unsteady };
}
