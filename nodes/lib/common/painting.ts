import type { PromptSpec, StreamSettings } from '../../../engine/host/protocol/messages';
import type { AdapterInfo } from '../../../engine/types';
import { NodePart } from './node-part';

/** What a denoiser paints at present. */
export interface Painting {
  settings: StreamSettings;
  conditioning?: PromptSpec;
  adapters: AdapterInfo[];
  /** The model's folder, or `starter`. */
  model?: string;
}

/** The denoisers that tell what they paint. */
export const PAINTINGS = new NodePart<{ painting(): Painting }>();
