import type { NodeDef } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { DrawingDoor } from './drawing/door';
import { DrawingProducer } from './drawing/producer';
import { CameraDoor } from './camera-door';
import { FfmpegProducer } from '../ffmpeg/ffmpeg';
import { holdsSecret } from '../ffmpeg/camera-address';
import type { FfmpegInput } from '../ffmpeg/arguments';
import { readInputOptions } from '../ffmpeg/options';
import { readOptionalBoolean, readOptionalChoice, readOptionalNumber } from '../common/fields';
import { OpeningHours } from '../common/opening-hours';
import { BrowserProducer } from './browser';
import { FolderProducer } from './folder';
import type { Door, PageKind } from '../web/visitor-pages';
import type { FrameFormat, Producer, ProducerEvents } from '../common/producer';
import { TestCardProducer } from './test-card-producer';

const KINDS = ['test-card', 'folder', 'video', 'camera', 'screen', 'browser', 'drawing'] as const;
export type SourceKind = (typeof KINDS)[number];

/** The fields of the source's dialog. Numbers arrive as texts, and an older flow may lack fields. */
export interface SourceDef extends NodeDef {
  kind?: string;
  fps?: unknown;
  width?: unknown;
  height?: unknown;
  topic?: string;
  autostart?: unknown;
  folder?: string;
  interval?: unknown;
  onlyNew?: unknown;
  video?: string;
  loop?: unknown;
  start?: unknown;
  speed?: unknown;
  screen?: string;
  camera?: string;
  ffmpeg?: string;
  anyCertificate?: unknown;
  options?: string;
  result?: string;
  drawing?: string;
  hours?: string;
}

export interface SourceCredentials {
  user: string;
  password: string;
}

export interface SourceSettings extends FrameFormat {
  kind: SourceKind;
  topic: string;
  autostart: boolean;
  /** The opening hours; undefined for always. */
  hours: OpeningHours | undefined;
  /** The page for visitors; only for kinds that have one. */
  page?: { kind: PageKind; door: Door };
  /** Restarts from the first picture, for kinds whose producer does not do so. */
  restart?: () => Promise<void>;
  /** Creates a producer of this kind. Throws when it cannot be started. */
  produce: (events: ProducerEvents) => Producer;
}

/**
 * Reads the dialog's fields.
 * @param defaultFfmpeg ffmpeg's path from Node-RED's settings, used where the dialog names none
 * @throws EBADPARAM that names the invalid field
 */
export function readSourceSettings(def: SourceDef, credentials: Partial<SourceCredentials> = {}, defaultFfmpeg?: string): SourceSettings {
  const kind = readOptionalChoice(def.kind, 'kind', 'test-card', KINDS);
  const format: FrameFormat = {
    fps: readOptionalNumber(def.fps, 'fps', 25, { min: 0.1, max: 120 }),
    width: readOptionalNumber(def.width, 'width', 256, { min: 16, max: 4096, integer: true }),
    height: readOptionalNumber(def.height, 'height', 256, { min: 16, max: 4096, integer: true }),
  };
  const loop = readOptionalBoolean(def.loop, 'loop', true);
  const onlyNew = readOptionalBoolean(def.onlyNew, 'onlyNew', false);
  const start = readOptionalNumber(def.start, 'start', 0, { min: 0, max: 86_400 });
  const speed = readOptionalNumber(def.speed, 'speed', 1, { min: 0.1, max: 10 });
  const intervalMs = readOptionalNumber(def.interval, 'interval', 3000, { min: 10, max: 86_400_000 });
  const door = new CameraDoor(format);
  const first = readOptionalChoice(def.drawing, 'drawing', 'blank', ['blank', 'landscape'] as const);
  const drawing = new DrawingDoor(format, first);
  const ffmpeg = def.ffmpeg || defaultFfmpeg || 'ffmpeg';
  const anyCertificate = readOptionalBoolean(def.anyCertificate, 'anyCertificate', false);
  const options = readInputOptions(def.options || '');
  const play = (ffmpegKind: FfmpegInput['kind'], input: string, events: ProducerEvents): Producer =>
    new FfmpegProducer(ffmpeg, { ...format, ...credentials, kind: ffmpegKind, input, loop, start, speed, anyCertificate, options }, events);

  const producers: Record<SourceKind, SourceSettings['produce']> = {
    'test-card': (events) => new TestCardProducer(format, events),
    folder: (events) => new FolderProducer({ ...format, folder: required(def.folder, 'folder'), intervalMs, loop, onlyNew }, events),
    video: (events) => play('video', required(def.video, 'video'), events),
    camera: (events) => play('camera', required(def.camera, 'camera'), events),
    screen: (events) => play('screen', def.screen?.trim() ?? '', events),
    browser: (events) => new BrowserProducer(door, events),
    drawing: (events) => new DrawingProducer(drawing, events),
  };
  return {
    kind,
    topic: def.topic ?? '',
    autostart: readOptionalBoolean(def.autostart, 'autostart', true),
    hours: OpeningHours.read(def.hours ?? '', 'hours'),
    ...format,
    ...(kind === 'browser' && { page: { kind: 'camera', door } }),
    ...(kind === 'drawing' && { page: { kind: 'draw', door: drawing }, restart: () => drawing.sheet.reset() }),
    produce: producers[kind],
  };
}

function required(value: string | undefined, field: string): string {
  const text = value?.trim();
  if (text) return text;
  throw new EngineError('EBADPARAM', `the frame source is set to ${field}, but its field "${field}" is empty`);
}

/** Whether the address contains a login, which belongs in the credentials, or another secret. */
export function holdsLogin({ kind, video, camera }: SourceDef): boolean {
  return holdsSecret((kind === 'video' ? video : kind === 'camera' ? camera : '') ?? '');
}
