/** What a flow uses of the engine's host process. */
export { EngineSupervisor } from './engine-supervisor';
export { RemoteStream } from './remote-stream';
export { acquireHost, hostReports, releaseHost, stopAllHosts } from './registry';
