import type { NodeDef } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { readOptionalBoolean, readOptionalChoice, readOptionalNumber } from '../common/fields';
import { OpeningHours } from '../common/opening-hours';
import type { ClosedLook } from './feed';
import type { VirtualCameraOptions } from './virtual-camera';
import type { MediaOptions } from './media';
import type { GalleryChoice } from './open-gallery';
import { pushAddress, type PushCredentials, type PushOptions } from './push-address';
import { holdsSecret } from '../ffmpeg/camera-address';
import { quote } from '../../../engine/util/quote';

/** The fields of the sink's dialog. Numbers arrive as texts, and an older flow may lack fields. */
export interface SinkDef extends NodeDef {
  fit?: string;
  fade?: unknown;
  idle?: unknown;
  folder?: string;
  minFree?: unknown;
  loopback?: string;
  controls?: string;
  wishes?: unknown;
  push?: string;
  pushFps?: unknown;
  pushRate?: unknown;
  gallery?: string;
  galleryDays?: unknown;
  galleryMost?: unknown;
  hours?: string;
  closed?: string;
}

/** How the live page shows the pictures; the page's address can override each setting. */
export interface PageLook {
  /** `contain` shows the whole picture with black borders, `cover` crops it to fill the screen. */
  fit: 'contain' | 'cover';
  /** Each picture dissolves into the next within this time, ms; 0 switches at once. */
  fade: number;
  /** The page goes black when no picture came for this long, seconds; 0 for never. */
  idle: number;
}

/**
 * Reads the dialog's fields.
 * @throws EBADPARAM that names the invalid field
 */
export function readPageLook(def: SinkDef): PageLook {
  return {
    fit: readOptionalChoice(def.fit, 'fit', 'contain', ['contain', 'cover']),
    fade: readOptionalNumber(def.fade, 'fade', 0, { min: 0, max: 10_000 }),
    idle: readOptionalNumber(def.idle, 'idle', 0, { min: 0, max: 86_400 }),
  };
}

const CONTROLS = ['off', 'login', 'open'] as const;

/**
 * Whether the sink has a performance page and who may play there, and whether it has a page for visitors' wishes.
 * @throws EBADPARAM
 */
export function readPages({ controls, wishes }: SinkDef): { controls: (typeof CONTROLS)[number]; wishes: boolean } {
  return {
    controls: readOptionalChoice(controls, 'controls', 'off', CONTROLS),
    wishes: readOptionalBoolean(wishes, 'wishes', false),
  };
}

/**
 * Where the sink records, and its limits.
 *
 * @param ffmpeg ffmpeg's path from Node-RED's settings
 * @throws EBADPARAM that names the invalid field
 */
export function readMediaOptions(def: SinkDef, ffmpeg = 'ffmpeg'): MediaOptions {
  const gigabytes = readOptionalNumber(def.minFree, 'minFree', 1, { min: 0, max: 100_000 });
  return { folder: def.folder?.trim() ?? '', minFree: gigabytes * 1e9, ffmpeg };
}

/**
 * The sink's virtual camera; undefined when it has none.
 *
 * @throws EBADPARAM when it is not a device, or this machine has no such devices
 */
export function readVirtualCamera(
  def: SinkDef,
  ffmpeg = 'ffmpeg',
  platform: NodeJS.Platform = process.platform,
): VirtualCameraOptions | undefined {
  const device = def.loopback?.trim();
  if (!device) return undefined;
  if (platform !== 'linux')
    throw new EngineError(
      'EBADPARAM',
      `a virtual camera (${device}) needs Linux and its module v4l2loopback; this machine runs ${platform}`,
    );
  if (!/^\/dev\/./.test(device))
    throw new EngineError('EBADPARAM', `the virtual camera must be a device such as /dev/video10, not ${quote(device)}`);
  return { device, ffmpeg };
}

/**
 * The server that the sink sends its pictures to; undefined when there is none.
 *
 * @throws EBADPARAM for an address that cannot be used
 */
export function readPush(def: SinkDef, credentials: Partial<PushCredentials> = {}, ffmpeg = 'ffmpeg'): PushOptions | undefined {
  const text = def.push?.trim();
  if (!text) return undefined;
  return {
    ...pushAddress(text, credentials),
    ffmpeg,
    fps: readOptionalNumber(def.pushFps, 'pushFps', 25, { min: 1, max: 60 }),
    kbps: readOptionalNumber(def.pushRate, 'pushRate', 2500, { min: 100, max: 50_000, integer: true }),
  };
}

/** Whether the address contains a login, which belongs in the credentials, or another secret. */
export const holdsLogin = ({ push }: SinkDef): boolean => holdsSecret(push ?? '');

/**
 * The gallery settings: whether there is one, who sees it, and how many pictures it keeps for how long.
 *
 * @throws EBADPARAM that names the invalid field
 */
export function readGallery(def: SinkDef): GalleryChoice {
  return {
    viewers: readOptionalChoice(def.gallery, 'gallery', 'off', CONTROLS),
    limits: {
      days: readOptionalNumber(def.galleryDays, 'galleryDays', 7, { min: 0.01, max: 3650 }),
      most: readOptionalNumber(def.galleryMost, 'galleryMost', 300, { min: 1, max: 5000, integer: true }),
      minFree: readMediaOptions(def).minFree,
    },
  };
}

/**
 * The opening hours of the sink, and the picture that it shows while it is closed.
 *
 * @throws EBADPARAM that names the invalid field
 */
export function readHours(def: SinkDef): { hours: OpeningHours | undefined; look: ClosedLook } {
  return {
    hours: OpeningHours.read(def.hours ?? '', 'hours'),
    look: readOptionalChoice(def.closed, 'closed', 'black', ['black', 'still']),
  };
}
