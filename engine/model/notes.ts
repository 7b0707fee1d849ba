import { operatorLimit, type OperatorLimit } from '../net/ort/operators';
import type { Headers } from './headers';
import type { ModelParts } from './parts';

/** The operators that limit a model to some execution providers; undefined when there are none. */
export function limitOf(headers: Headers): OperatorLimit | undefined {
  return operatorLimit(new Set(Object.values(headers).flatMap(({ operators }) => [...operators])));
}

/** Notes for users of a model, in sentences. */
export function notesOn({ unet }: ModelParts, headers: Headers): string[] {
  const notes = [...unet.notes];
  const encoder = headers.vae_encoder;
  const limit = limitOf(headers);
  if (limit)
    notes.push(
      `This model runs on ${limit.providers.join(', ')} only: it was optimised with ${limit.operators.join(', ')}. The export without that runs everywhere.`,
    );
  if (encoder && ['RandomNormal', 'RandomNormalLike'].some((operator) => encoder.operators.has(operator))) {
    notes.push(
      'This vae_encoder draws a random sample of every picture, so even a still one flickers; a newer export gives latent_parameters.',
    );
  }
  return notes;
}
