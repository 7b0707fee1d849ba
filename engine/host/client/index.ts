/** The client of the engine's host process, for flows. */
export { LARGEST_PROMPT_PICTURE, PROMPT_PICTURES } from './prompt-pictures';
export { EngineSupervisor } from './engine-supervisor';
export { RemoteStream } from './remote-stream';
export { acquireHost, adoptChoice, hostReports, releaseHost, stopAllHosts } from './registry';
export { AUTOMATIC, chooseProvider, isAutomatic, type ProviderChoice, recallChoice, type TriedProvider } from '../../model/provider-choice';
