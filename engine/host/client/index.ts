/** What a flow uses of the engine's host process. */
export { HostClient } from './host-client';
export { HostStream } from './host-stream';
export { acquireHost, hostReports, releaseHost, stopAllHosts } from './registry';
