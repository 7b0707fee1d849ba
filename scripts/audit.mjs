// `npm run audit`: known weaknesses in what the package brings along, and which of it has become older than its range allows
// (D03 of the Flow Library's scorecard), which is told and fails nothing: it happens by itself, on a day like any other. Fails for grave ones and tells the others. Where the
// registry does not answer (no network, a mirror without this service) nothing is known, which is no failure; nor is
// "no weaknesses" believed of a registry that knows of none in a package that is famous for one.
import { execFile, spawnSync } from 'node:child_process';
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

for (const { name, latest } of await newerThanTheirRange()) console.log(`audit: ${name} ${latest} is newer than the range in package.json`);

/** Nothing where the registry does not answer. */
async function newerThanTheirRange() {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const asked = Object.entries(dependencies).map(async ([name, range]) => {
    const [[latest], allowed] = await Promise.all([versions(name), versions(`${name}@${range}`)]);
    return latest !== undefined && allowed.length > 0 && !allowed.includes(latest) ? [{ name, latest }] : [];
  });
  return (await Promise.all(asked)).flat();
}

/** @returns {Promise<string[]>} */
function versions(name) {
  return new Promise((resolve) => {
    execFile('npm', ['view', name, 'version', '--json'], { timeout: 30_000, shell: process.platform === 'win32' }, (_, stdout) => {
      const answer = read(stdout);
      resolve([answer].flat().filter((one) => typeof one === 'string'));
    });
  });
}

/** @returns {{ weaknesses: { name: string, severity: string, range: string }[], problem?: string }} */
function ask(folder) {
  const options = { cwd: folder, encoding: 'utf8', timeout: 60_000, maxBuffer: 64 * 1024 ** 2, shell: process.platform === 'win32' };
  const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--package-lock-only', '--json'], options);
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

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
