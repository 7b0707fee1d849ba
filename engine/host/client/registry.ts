import { stableText } from '../../util/stable-text';
import { EngineSupervisor } from './engine-supervisor';
import type { HostReport, HostSettings } from '../protocol/messages';

/** A host without users lives on for this long, ms: a redeploy lets go of it and takes it again. */
const GRACE = 3000;

interface Entry {
  host: EngineSupervisor;
  users: number;
  ending?: NodeJS.Timeout;
}

const hosts = new Map<string, Entry>();

/** What settings mean that are left out. */
const DEFAULTS = { executionProviders: ['cpu'], intraOpNumThreads: 0, adapters: {} } satisfies Partial<HostSettings>;

/** The same for settings that mean the same, whatever they are. */
function keyOf(settings: HostSettings): string {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return stableText({ ...DEFAULTS, ...given });
}

/** The host for these settings, shared by all who ask for the same. Each acquire wants one {@link releaseHost}. */
export function acquireHost(settings: HostSettings): EngineSupervisor {
  const key = keyOf(settings);
  let entry = hosts.get(key);
  if (!entry) {
    entry = { host: new EngineSupervisor(settings), users: 0 };
    hosts.set(key, entry);
  }
  clearTimeout(entry.ending);
  entry.users++;
  entry.host.start();
  return entry.host;
}

/** Takes one user off. The last one's leaving stops the process, unless somebody takes it over within the grace period. */
export function releaseHost(host: EngineSupervisor): void {
  for (const [key, entry] of hosts) {
    if (entry.host !== host || entry.users === 0) continue;
    entry.users--;
    if (entry.users > 0) return;
    entry.ending = setTimeout(() => {
      hosts.delete(key);
      void host.stop();
    }, GRACE);
    // A process that has nothing else to do may end; the engine process ends with it.
    entry.ending.unref();
    return;
  }
}

/** How all hosts are that somebody uses. */
export function hostReports(): HostReport[] {
  return [...hosts.values()].filter(({ users }) => users > 0).map(({ host }) => host.report);
}

/** Stops every host at once. */
export async function stopAllHosts(): Promise<void> {
  const stopping = [...hosts.values()];
  hosts.clear();
  await Promise.all(
    stopping.map(({ host, ending }) => {
      clearTimeout(ending);
      return host.stop();
    }),
  );
}
