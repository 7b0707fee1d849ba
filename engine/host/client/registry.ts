import { stableText } from '../../util/stable-text';
import { EngineSupervisor } from './engine-supervisor';
import type { ChoiceFor, ProviderChoice } from '../../model/provider-choice';
import type { HostReport, HostSettings } from '../protocol/messages';

/** How long a host without users is kept, ms: a redeploy releases it and acquires it again. */
const GRACE = 3000;

interface Entry {
  host: EngineSupervisor;
  users: number;
  ending?: NodeJS.Timeout;
}

const hosts = new Map<string, Entry>();

/** Defaults of settings that are left out. */
const DEFAULTS = { executionProviders: ['cpu'], intraOpNumThreads: 0, adapters: {} } satisfies Partial<HostSettings>;

/** A key that is equal for settings with the same meaning. */
function keyOf(settings: HostSettings): string {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return stableText({ ...DEFAULTS, ...given });
}

/** The host for these settings, shared by all who ask for the same. Every call needs one {@link releaseHost}. */
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

/** Removes one user. After the last one has left, the process stops unless somebody acquires it within the grace period. */
export function releaseHost(host: EngineSupervisor): void {
  for (const [key, entry] of hosts) {
    if (entry.host !== host || entry.users === 0) continue;
    entry.users--;
    if (entry.users > 0) return;
    entry.ending = setTimeout(() => {
      hosts.delete(key);
      void host.stop();
    }, GRACE);
    // The timer does not keep this process alive; the engine process ends with it.
    entry.ending.unref();
    return;
  }
}

/** Passes a choice of execution providers to the hosts that it applies to. */
export async function adoptChoice(engine: ChoiceFor, choice: ProviderChoice): Promise<void> {
  await Promise.all([...hosts.values()].filter(({ host }) => host.isFor(engine)).map(({ host }) => host.adopt(choice)));
}

/** Reports of all hosts in use. */
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
