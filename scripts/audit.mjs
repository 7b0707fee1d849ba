// `npm run audit`: known weaknesses in what the package brings along. Where the registry does not answer (no network, a
// mirror without this service) nothing is known, which is no failure.
import { spawnSync } from 'node:child_process';

const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8', timeout: 60_000, shell: process.platform === 'win32' });
const report = read(stdout);

if (error || !report?.vulnerabilities) {
  console.log(`audit: the registry does not answer (${error?.message ?? report?.message ?? 'no report'}), so nothing was checked`);
} else {
  const grave = Object.values(report.vulnerabilities).filter(({ severity }) => severity === 'high' || severity === 'critical');
  for (const { name, severity, range } of grave) console.log(`audit: ${name} ${range} has a known weakness, ${severity}`);
  console.log(`audit: ${grave.length} grave weaknesses in run-time dependencies`);
  process.exitCode = grave.length > 0 ? 1 : 0;
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
