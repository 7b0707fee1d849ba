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

/** What the sink's dialog saves. Numbers arrive as texts, and an older flow may lack fields. */
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

/** How the live page shows the pictures; each can be set otherwise in the page's address. */
export interface PageLook {
  /** The whole picture with black borders, or as much of it as fills the screen. */
  fit: 'contain' | 'cover';
  /** Each picture dissolves into the next within this time, ms; 0: at once. */
  fade: number;
  /** Black when no picture came for so many seconds; 0: never. */
  idle: number;
}

/**
 * Reads the dialog's fields.
 * @throws EBADPARAM naming the field that cannot work
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
 * Where and how long the sink may record.
 * @param ffmpeg ffmpeg's path from Node-RED's settings
 * @throws EBADPARAM naming the field that cannot work
 */
export function readMediaOptions(def: SinkDef, ffmpeg = 'ffmpeg'): MediaOptions {
  const gigabytes = readOptionalNumber(def.minFree, 'minFree', 1, { min: 0, max: 100_000 });
  return { folder: def.folder?.trim() ?? '', minFree: gigabytes * 1e9, ffmpeg };
}

/**
 * The virtual camera that the sink plays into; undefined when it has none.
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
 * Where the sink sends its pictures; undefined when it sends them nowhere.
 * @throws EBADPARAM when they cannot be sent there
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

/** Whether the address holds a login, which belongs among the credentials, or another secret. */
export const holdsLogin = ({ push }: SinkDef): boolean => holdsSecret(push ?? '');

/**
 * Whether the sink has a gallery, who sees it, and how much of how old it holds.
 * @throws EBADPARAM naming the field that cannot work
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
 * When the sink is open, and what it shows while it is not.
 * @throws EBADPARAM naming the field that cannot work
 */
export function readHours(def: SinkDef): { hours: OpeningHours | undefined; look: ClosedLook } {
  return {
    hours: OpeningHours.read(def.hours ?? '', 'hours'),
    look: readOptionalChoice(def.closed, 'closed', 'black', ['black', 'still']),
  };
}
