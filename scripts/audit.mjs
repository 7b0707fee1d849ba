// `npm run audit`: known vulnerabilities of the dependencies, and dependencies that are older than their ranges allow (D03 of the
// Flow Library's scorecard). Fails for serious vulnerabilities and reports the rest. Outdated dependencies are only reported,
// since they appear without a change here. A registry that does not answer (no network, a mirror without this service) is not a
// failure. A registry that knows no vulnerability of a notorious package is not trusted.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FAMOUS = { name: 'minimist', version: '0.0.8' };
const GRAVE = ['high', 'critical'];

const { weaknesses, problem } = ask(process.cwd());
if (problem) {
  console.log(`audit: nothing was checked, the registry does not answer: ${problem}`);
} else {
  for (const { name, severity, range } of weaknesses)
    console.log(`audit: ${[name, range].filter(Boolean).join(' ')} has a known weakness, ${severity}`);
  const grave = weaknesses.filter(({ severity }) => GRAVE.includes(severity));
  if (weaknesses.length === 0 && !knowsTheFamous())
    console.log(`audit: nothing was checked, the registry knows no weakness of ${FAMOUS.name} ${FAMOUS.version} either`);
  else console.log(`audit: ${weaknesses.length} weaknesses in run-time dependencies, ${grave.length} of them grave`);
  process.exitCode = grave.length > 0 ? 1 : 0;
}

for (const { name, latest } of newerThanTheirRange()) console.log(`audit: ${name} ${latest} is newer than the range in package.json`);

/** Asks the registry about all of them at once; gives nothing if it does not answer. */
function newerThanTheirRange() {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const { stdout } = npm(process.cwd(), 'outdated', '--omit=dev', '--json');
  return Object.entries(read(stdout) ?? {})
    .filter(([name, { wanted, latest }]) => name in dependencies && latest !== wanted)
    .map(([name, { latest }]) => ({ name, latest }));
}

/** @returns {{ weaknesses: { name: string, severity: string, range: string }[], problem?: string }} */
function ask(folder) {
  const { stdout, error } = npm(folder, 'audit', '--omit=dev', '--package-lock-only', '--json');
  const report = read(stdout);
  if (report?.vulnerabilities) return { weaknesses: Object.values(report.vulnerabilities) };
  return { weaknesses: [], problem: error?.message ?? report?.message ?? 'it gives no report' };
}

function knowsTheFamous() {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  try {
    const { name, version } = FAMOUS;
    const about = { name: 'famous', version: '1.0.0', dependencies: { [name]: version } };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(about));
    writeFileSync(
      join(folder, 'package-lock.json'),
      JSON.stringify({ ...about, lockfileVersion: 3, packages: { '': about, [`node_modules/${name}`]: { version } } }),
    );
    return ask(folder).weaknesses.length > 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function npm(folder, ...args) {
  const options = { cwd: folder, encoding: 'utf8', timeout: 60_000, maxBuffer: 64 * 1024 ** 2, shell: process.platform === 'win32' };
  return spawnSync('npm', args, options);
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
