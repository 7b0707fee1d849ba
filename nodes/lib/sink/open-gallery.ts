import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { checkWebName } from '../web/name';
import { rootsOf } from '../web/site';
import { Gallery, type GalleryLimits } from './gallery';
import { GalleryRoutes, type GalleryViewers } from './gallery-routes';
import type { SinkMedia } from './media';

/** The gallery settings of a sink's dialog. */
export interface GalleryChoice {
  viewers: 'off' | GalleryViewers;
  limits: GalleryLimits;
}

/**
 * Opens a sink's gallery, which then takes the snapshots. If it is off, its earlier pictures are still deleted in time.
 *
 * @param onProblem called when pictures cannot be read or deleted
 * @returns a function that closes it
 * @throws EBADPARAM when another gallery has the name, or there is no folder for pictures
 */
export function openGallery(
  RED: NodeAPI,
  name: string,
  { viewers, limits }: GalleryChoice,
  media: SinkMedia,
  onProblem: (error: EngineError) => void,
): () => Promise<void> {
  const { userDir } = RED.settings as { userDir?: string };
  const { pages } = GalleryRoutes.of(RED);
  if (viewers !== 'off' && userDir === undefined) throw new EngineError('EBADPARAM', "a gallery needs Node-RED's user folder (userDir)");
  checkWebName(name, 'a sink');
  const gallery = new Gallery(join(userDir ?? '', 'streamdiffusion', 'gallery', name), limits, onProblem);
  // One that is off has its name as well: no other sink deletes pictures by limits of its own.
  const page = {
    gallery,
    viewers,
    onServed: () => {
      if (userDir !== undefined) void gallery.load();
      if (viewers !== 'off') media.gallery = gallery;
    },
  };
  const close = async (): Promise<void> => {
    media.gallery = undefined;
    pages.remove(name, page);
    await gallery.close();
  };
  try {
    pages.add(name, page);
  } catch (thrown) {
    // The conflict has been reported already; this gallery gets the name when it is free.
    if (!pages.get(name)) throw thrown;
  }
  return close;
}

/** The path of a gallery's picture below Node-RED's own address. */
export const galleryPath = (RED: NodeAPI, name: string, picture: string): string =>
  `${rootsOf(RED).node}/streamdiffusion/${name}/gallery/${picture}`;

/** Takes a snapshot; resolves to its file and its address in the gallery, as far as the sink has these. */
export async function keepSnapshot(
  media: SinkMedia,
  addressOf: (picture: string) => string,
): Promise<{ filename?: string; gallery?: string }> {
  const { picture, ...file } = await media.snapshot();
  return { ...file, ...(picture && { gallery: addressOf(picture) }) };
}
