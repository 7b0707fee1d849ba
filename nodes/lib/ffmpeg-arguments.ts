import type { FrameFormat } from './source-producer';

export interface FfmpegInput extends FrameFormat {
  kind: 'video' | 'camera' | 'screen';
  /**
   * Video: a file or an address. Camera: an address, or a device as the system names it (`/dev/video0`, `0`,
   * `Integrated Camera`). Screen: as the system names it, or '' for the usual one.
   */
  input: string;
  /** Video: begin again at its end. */
  loop: boolean;
  /** Video: where to begin, seconds; also each time it begins again. */
  start: number;
  /** Video: 1 as it was filmed, 2 twice as fast. */
  speed: number;
  /** For an address that asks who is there. */
  user?: string;
  password?: string;
}

const ADDRESS = /^[a-z][a-z0-9+.-]*:\/\//i;

/** The capture of ffmpeg on each system, and how it wants its devices named. */
interface Capture {
  format: string;
  name: (device: string) => string;
}
type BySystem = Partial<Record<NodeJS.Platform, Capture>>;

const CAMERAS: BySystem = {
  linux: { format: 'v4l2', name: (device) => device },
  darwin: { format: 'avfoundation', name: (device) => (device.includes(':') ? device : `${device}:none`) },
  win32: { format: 'dshow', name: (device) => (device.startsWith('video=') ? device : `video=${device}`) },
};

const SCREENS: BySystem = {
  linux: { format: 'x11grab', name: (display) => display || process.env.DISPLAY || ':0' },
  darwin: { format: 'avfoundation', name: (screen) => `${screen || 'Capture screen 0'}:none` },
  win32: { format: 'gdigrab', name: (window) => window || 'desktop' },
};

/** What an address may lead to. The list that is read from a pipe must name them all. */
const PROTOCOLS = ['pipe', 'tcp', 'udp', 'tls', 'http', 'https', 'httpproxy', 'hls', 'rtp', 'srtp', 'crypto', 'data'];

/** Its own rate is of no interest: to find that out takes ffmpeg twenty pictures, at one a second all the time it has. */
const LOW_DELAY = ['-fflags', 'nobuffer', '-flags', 'low_delay', '-fpsprobesize', '0'];

/** A pause in a video that is longer than this is taken for a jump of its clock, seconds. */
export const LONGEST_PAUSE_S = 60;
/** Pictures leave ffmpeg as they come: they are counted, and their times left out. This number is of no further meaning. */
const COUNT = 25;

/**
 * The arguments that make ffmpeg write the input's pictures to its standard output: one JPEG behind the other, each
 * picture of the input once and at once (a video at its own speed), cropped to fill exactly the wanted size. Which of them
 * are sent is decided where they arrive.
 */
export function ffmpegArguments(options: FfmpegInput, platform: NodeJS.Platform = process.platform): string[] {
  const { kind, width, height, speed } = options;
  const isVideo = kind === 'video';
  const filters = [
    `scale=${width}:${height}:force_original_aspect_ratio=increase`,
    // An odd number of pixels, too, though two share a colour.
    `crop=${width}:${height}:exact=1`,
    ...(isVideo && speed !== 1 ? [`setpts=PTS/${speed}`] : []),
    // The clock stands behind the change of speed; ffmpeg's option -re would stand before it.
    ...(isVideo ? [`realtime=limit=${LONGEST_PAUSE_S}`] : []),
    `settb=1/${COUNT}`,
    'setpts=N',
  ];
  return [
    '-hide_banner', '-nostdin', '-loglevel', 'error',
    ...inputArguments(options, platform),
    // A cover is no moving picture: ffmpeg would read the sound beside it again and again, as fast as it can.
    ...(isVideo && !isPlaylist(options.input) ? ['-map', '0:V:0'] : []),
    '-an', '-sn', '-vf', filters.join(','), '-r', String(COUNT),
    '-pix_fmt', 'yuvj420p', '-c:v', 'mjpeg', '-q:v', '4', '-f', 'image2pipe', '-flush_packets', '1', 'pipe:1',
  ];
}

/** Whether an address is that of a list with the same video in several sizes, of which ffmpeg is to choose. */
function isPlaylist(input: string): boolean {
  return ADDRESS.test(input) && /\.(m3u8|mpd)([?#]|$)/i.test(input);
}

/**
 * What ffmpeg is to read from its standard input: an address with a login in it, as a list of one entry for its concat
 * demuxer. Among the arguments every user of the machine could read it. Undefined where there is no login.
 */
export function ffmpegScript({ kind, input, start, user, password }: FfmpegInput): string | undefined {
  const address = kind === 'screen' ? undefined : secretAddress(input, user, password);
  if (!address) return undefined;
  // The entry has no place for ffmpeg's option -rtsp_transport; its RTSP reads this word from the address.
  if (/^rtsps?:$/i.test(address.protocol)) address.search += address.search ? '&tcp' : '?tcp';
  const entry = [`file '${address.href.replaceAll("'", "'\\''")}'`, ...(kind === 'video' && start > 0 ? [`inpoint ${start}`] : [])];
  return ['ffconcat version 1.0', ...entry, ''].join('\n');
}

function inputArguments(options: FfmpegInput, platform: NodeJS.Platform): string[] {
  const { kind, input, fps, loop, start, user, password } = options;
  if (kind === 'screen') {
    const screen = SCREENS[platform] ?? SCREENS.linux!;
    return [...LOW_DELAY, '-f', screen.format, '-framerate', String(fps), '-i', screen.name(input)];
  }
  const address = secretAddress(input, user, password);
  if (address) {
    // A list cannot be wound back: its loop is the process that begins again, too.
    const protocols = [...PROTOCOLS, address.protocol.slice(0, -1)].join(',');
    return [...(kind === 'camera' ? LOW_DELAY : []), '-f', 'concat', '-safe', '0', '-protocol_whitelist', protocols, '-i', 'pipe:0'];
  }
  if (kind === 'video') {
    // ffmpeg's own loop goes to the very beginning; from another start it is the process that begins again.
    const where = start > 0 ? ['-ss', String(start)] : loop ? ['-stream_loop', '-1'] : [];
    return [...where, '-i', input];
  }
  if (ADDRESS.test(input)) {
    const transport = /^rtsps?:/i.test(input) ? ['-rtsp_transport', 'tcp'] : [];
    return [...LOW_DELAY, ...transport, '-i', input];
  }
  // A system whose cameras ffmpeg has no usual name for: the device is passed on as it is.
  const camera = CAMERAS[platform];
  return camera ? [...LOW_DELAY, '-f', camera.format, '-i', camera.name(input)] : [...LOW_DELAY, '-i', input];
}

/** The address with its login, if it has one, in itself or beside it. */
function secretAddress(input: string, user?: string, password?: string): URL | undefined {
  if (!ADDRESS.test(input) || !URL.canParse(input)) return undefined;
  const address = new URL(input);
  if (user) {
    address.username = encodeURIComponent(user);
    address.password = encodeURIComponent(password ?? '');
  }
  return address.username || address.password ? address : undefined;
}

/** `text` without what must not be read in a log: the given secrets, and any login inside an address. */
export function maskSecrets(text: string, secrets: (string | undefined)[]): string {
  const forms = secrets.filter((secret): secret is string => Boolean(secret)).flatMap((secret) => [secret, encodeURIComponent(secret)]);
  const masked = forms.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return masked.replace(/(:\/\/)[^/\s@]+@/g, '$1***@');
}
