import { NodePart } from './node-part';

/** The sinks, each with whether somebody looks at its pictures now. */
export const LOOKED_AT = new NodePart<{ readonly isLookedAt: boolean }>();
