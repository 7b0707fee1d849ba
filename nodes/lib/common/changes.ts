import type { NodeAPI } from 'node-red';

const CHANGED = 'streamdiffusion:changed';

/**
 * Announces that frames are rendered under other settings from now on. A filter before the nodes with these settings would
 * otherwise skip a still scene, so that the change would not show.
 *
 * @param topic of the stream; '' for all
 */
export function tellChange(RED: NodeAPI, topic: string): void {
  RED.events.emit(CHANGED, topic);
}

/** @returns a function that ends it */
export function onChange(RED: NodeAPI, hear: (topic: string) => void): () => void {
  RED.events.on(CHANGED, hear);
  return () => void RED.events.off(CHANGED, hear);
}
