import type { HostState, StreamStats } from '../../../engine/host/protocol/messages';
import type { Status } from '../common/status';

/** What lies with a server, which is named in the message: starting again and again here says less than that. */
const OF_A_SERVER = ['ENETWORK', 'EDENIED', 'ETIMEOUT'];

/** Shows the denoiser's state: the engine's, and while it is ready that of its streams. */
export function showDenoiser(
  status: Status,
  state: HostState,
  fault: Error | undefined,
  streams: readonly StreamStats[],
  isResting = false,
): void {
  const cause = state.phase === 'restarting' ? state.error : fault;
  if (isOfServer(cause) && ['starting', 'loading', 'restarting'].includes(state.phase)) return status.waitingFor(cause);
  switch (state.phase) {
    case 'starting':
      return status.loading();
    case 'loading':
      return status.loading(state.totalBytes > 0 ? state.loadedBytes / state.totalBytes : undefined);
    case 'restarting':
      return status.restarting(youngest(streams));
    case 'failed':
      return status.error(state.error);
    case 'stopped':
      return status.stopped();
    case 'ready': {
      if (fault) return status.error(fault);
      if (isResting) return status.resting();
      const running = streams.filter(({ fps }) => fps > 0);
      if (running.length === 0) return status.ready();
      return status.running(
        running.reduce((sum, { fps }) => sum + fps, 0),
        Math.max(...running.map(({ latencyMs }) => latencyMs)),
      );
    }
  }
}

/** An engine's own process may be late, too; a server's address comes first in what is said of it. */
function isOfServer(error: Error | undefined): error is Error {
  return error !== undefined && 'code' in error && OF_A_SERVER.includes(String(error.code)) && /^(https?|grpcs?):/.test(error.message);
}

/** Age of the last frame of any stream, ms; null before the first. */
function youngest(streams: readonly StreamStats[]): number | null {
  const ages = streams.flatMap(({ lastFrameAgeMs }) => (lastFrameAgeMs === null ? [] : [lastFrameAgeMs]));
  return ages.length === 0 ? null : Math.min(...ages);
}
