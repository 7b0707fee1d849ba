import { NodePart } from './node-part';

/** The sinks, each with whether somebody watches its pictures now. */
export const LOOKED_AT = new NodePart<{ readonly isLookedAt: boolean }>();
