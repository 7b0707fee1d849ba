import type { NodeMessage } from 'node-red';
import { EngineError } from '../../../engine/errors';

/** Topics are kept, shown and sent to pages, so they are bounded. */
const LONGEST_TOPIC = 1024;

/**
 * The stream that a message belongs to: its `msg.topic`, or '' for the one stream of a flow that needs no names, and where the topic is not a name.
 *
 * @throws EBADPARAM for one of more than 1024 characters
 */
export function topicOf(msg: NodeMessage): string {
  const topic: unknown = msg.topic;
  if (typeof topic === 'string' && topic.length > LONGEST_TOPIC) {
    throw new EngineError('EBADPARAM', `msg.topic has ${topic.length} characters, of at most ${LONGEST_TOPIC}`);
  }
  return typeof topic === 'string' || typeof topic === 'number' || typeof topic === 'boolean' ? String(topic) : '';
}

/** Whether the message clears state. As in the core nodes the value does not matter, except for `false`. */
export function isReset(msg: NodeMessage): boolean {
  return msg.reset !== undefined && msg.reset !== null && msg.reset !== false;
}

/** Whether there is a payload: an Inject button without one sends an empty string or none at all. */
export function hasPayload(msg: NodeMessage): boolean {
  return msg.payload !== undefined && msg.payload !== null && msg.payload !== '';
}

/** Whether the payload is meant as a picture. A number or boolean (the time stamp of an Inject button) never is. */
export function isMeantAsPicture(msg: NodeMessage): boolean {
  return hasPayload(msg) && typeof msg.payload !== 'number' && typeof msg.payload !== 'boolean';
}

const SETTINGS = ['prompt', 'negativePrompt', 'blend', 'transition', 'conditioning', 'params'] as const;

/** Whether the message only changes settings: it carries some (or a reset), and no picture. */
export function isSettingsOnly(msg: NodeMessage): boolean {
  return !isMeantAsPicture(msg) && (isReset(msg) || SETTINGS.some((name) => msg[name] !== undefined));
}
