import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../errors';
import type { Net } from '../../net/net';
import type { Safetensors } from '../../net/safetensors';
import { type HeaderNet, readHeader } from '../headers';
import type { NetFiles } from '../layouts';
import type { FamilyRole } from '../roles';
import type { Adapter, AdapterSource } from './adapter';
import { ImageEncoder, PictureProjection } from './picture-prompt';
import { isPlus, TOKENS, withTokens } from './plus-encoder';

/** The .safetensors file itself, or the only one in a folder. */
export async function weightsOf({ path, isFolder }: AdapterSource): Promise<string | undefined> {
  if (!isFolder) return path.endsWith('.safetensors') ? path : undefined;
  const files = (await readdir(path)).filter((file) => file.endsWith('.safetensors'));
  return files.length === 1 ? join(path, files[0]) : undefined;
}

/** The plain or the plus variant: its image encoder, and how a picture is encoded. */
export interface Variant extends Pick<Adapter, 'variant' | 'heads' | 'promptSize' | 'encodePrompt'> {
  /** The number of tokens for a picture, and their width. */
  count: number;
  width: number;
}

/**
 * The variant of an IP-Adapter's file, judged by its projection.
 *
 * @throws EBADMODEL for an unknown variant, or an image encoder that does not fit
 */
export async function variantOf(source: AdapterSource, role: FamilyRole, encoder: NetFiles, file: Safetensors): Promise<Variant> {
  const header = await readHeader(role, encoder, source);
  if (isPlus(file)) return plus(role, await withTokens(header, encoder.path, file, await realpath(file.path)), encoder.config);
  return plain(role, header, encoder.config, file);
}

/** The plain variant: a few tokens from a picture's embedding. Negative rows attend to those of an embedding of zeros. */
async function plain(role: FamilyRole, header: Net, config: NetFiles['config'], file: Safetensors): Promise<Variant> {
  const projection = await PictureProjection.read(file);
  const { width } = projection;
  const negative = projection.tokensOf(new Float32Array(projection.size));
  return {
    variant: 'plain',
    // Errors of the encoder are found before it is opened.
    promptSize: new ImageEncoder(header, config).size,
    count: negative.count,
    width,
    async encodePrompt(picture, nets) {
      const embedding = await new ImageEncoder(nets[role] as Net, config).encode(picture);
      if (embedding.length === projection.size) return { positive: projection.tokensOf(embedding), negative };
      throw new EngineError(
        'EBADMODEL',
        `its image encoder gives ${embedding.length} numbers, its projection takes ${projection.size}: they do not belong to one adapter`,
      );
    },
  };
}

/** The plus variant: more tokens, from all patches of a picture by a resampler after the encoder. Negative rows attend to those of no picture. */
async function plus(role: FamilyRole, header: HeaderNet, config: NetFiles['config']): Promise<Variant> {
  const [, count, width] = header.outputs[0].shape as [string, number, number];
  let negative: Promise<Float32Array> | undefined;
  return {
    variant: 'plus',
    heads: { [role]: header },
    promptSize: new ImageEncoder(header, config, TOKENS).size,
    count,
    width,
    async encodePrompt(picture, nets) {
      const encoder = new ImageEncoder(nets[role] as Net, config, TOKENS);
      negative ??= encoder.encode(undefined);
      negative.catch(() => (negative = undefined));
      const [shown, none] = await Promise.all([encoder.encode(picture), negative]);
      return { positive: { tokens: shown, count, width }, negative: { tokens: none, count, width } };
    },
  };
}
