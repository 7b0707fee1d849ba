import type { PromptSpec, StreamSettings } from '../../../engine/host/protocol/messages';
import type { AdapterInfo } from '../../../engine/types';
import { NodePart } from './node-part';

/** The current settings of a denoiser. */
export interface Painting {
  settings: StreamSettings;
  conditioning?: PromptSpec;
  adapters: AdapterInfo[];
  /** The model's folder, or `starter`. */
  model?: string;
}

/** The denoisers, each with its current settings. */
export const PAINTINGS = new NodePart<{ painting(): Painting }>();
