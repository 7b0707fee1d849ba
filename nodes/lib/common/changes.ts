import type { NodeAPI } from 'node-red';

const CHANGED = 'streamdiffusion:changed';

/**
 * Tells that frames are made under other settings from now on. A filter stands before the nodes that hear of them, and
 * while it rests on a still scene nothing would show them.
 *
 * @param topic of the stream; '' for all
 */
export function tellChange(RED: NodeAPI, topic: string): void {
  RED.events.emit(CHANGED, topic);
}

/** @returns what ends it */
export function onChange(RED: NodeAPI, hear: (topic: string) => void): () => void {
  RED.events.on(CHANGED, hear);
  return () => void RED.events.off(CHANGED, hear);
}
