import { once } from 'node:events';
import type { EngineSupervisor } from '../../engine/host/client';
import type { HostState } from '../../engine/host/protocol/messages';
import { PATIENCE } from './until';

/** Waits until a host is in a phase. */
export async function become(host: EngineSupervisor, phase: HostState['phase']): Promise<HostState> {
  const deadline = AbortSignal.timeout(PATIENCE);
  while (host.state.phase !== phase) await once(host, 'state', { signal: deadline });
  return host.state;
}
