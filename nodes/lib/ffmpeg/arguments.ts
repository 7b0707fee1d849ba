import { existsSync } from 'node:fs';
import { EngineError } from '../../../engine/errors';
import { isAddress, secretAddress } from './camera-address';
import { CAMERAS, SCREENS, cameraDemands } from './devices';
import { isOfInput, type InputOptions } from './options';
import type { FrameFormat } from '../common/producer';

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
  /** Take any certificate for the right one. */
  anyCertificate?: boolean;
  /** Further options for ffmpeg's input. */
  options?: InputOptions;
}

/** What an address may lead to. The list that is read from a pipe must name them all. */
const PROTOCOLS = ['pipe', 'tcp', 'udp', 'tls', 'http', 'https', 'httpproxy', 'hls', 'rtp', 'srtp', 'crypto', 'data'];

/** The camera's own rate does not matter: ffmpeg would need twenty pictures to find it out, at one a second too long. */
const LOW_DELAY = ['-fflags', 'nobuffer', '-flags', 'low_delay', '-fpsprobesize', '0'];

/** A pause in a video that is longer than this is taken for a jump of its clock, seconds. */
export const LONGEST_PAUSE_S = 60;
/** Pictures leave ffmpeg as they come, without their times. This number has no further meaning. */
const COUNT = 25;

/**
 * The arguments that make ffmpeg write the input's pictures to its standard output: one JPEG behind the other, each
 * picture of the input once and at once (a video at its own speed), cropped to fill exactly the wanted size. Which of them
 * are sent is decided where they arrive.
 *
 * @param demands how a camera of this machine is asked for its pictures
 */
export function ffmpegArguments(options: FfmpegInput, platform: NodeJS.Platform = process.platform, demands?: string[]): string[] {
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
    '-hide_banner',
    '-nostdin',
    '-loglevel',
    'error',
    ...inputArguments(options, platform, demands ?? demandsOf(options, platform)),
    // A cover is not a moving picture: ffmpeg would read the sound beside it again and again, as fast as it can.
    ...(isVideo && !isPlaylist(options.input) ? ['-map', '0:V:0'] : []),
    '-an',
    '-sn',
    '-vf',
    filters.join(','),
    '-r',
    String(COUNT),
    '-pix_fmt',
    'yuvj420p',
    '-c:v',
    'mjpeg',
    '-q:v',
    '4',
    '-f',
    'image2pipe',
    '-flush_packets',
    '1',
    'pipe:1',
  ];
}

/** Whether an address is that of a list with the same video in several sizes, of which ffmpeg is to choose. */
function isPlaylist(input: string): boolean {
  return isAddress(input) && /\.(m3u8|mpd)([?#]|$)/i.test(input);
}

/** How a camera is asked when nothing is known of it yet, or as the further options say; none for what is not a camera of this machine. */
export function demandsOf(input: FfmpegInput, platform: NodeJS.Platform, said: string[] = []): string[] | undefined {
  const { kind, options = [] } = input;
  const isAsked = options.some(([name]) => ['f', 'video_size', 'framerate', 'input_format', 'pixel_format'].includes(name));
  if (kind !== 'camera' || isAddress(input.input) || isAsked) return said.length === 0 ? [] : undefined;
  return cameraDemands(platform, input, said);
}

/**
 * What ffmpeg is to read from its standard input: an address with a login or another secret in it, as a list of one entry
 * for its concat demuxer. Among the arguments every user of the machine could read it. Undefined where there is no secret.
 * @throws EBADPARAM for options that such an address cannot have
 */
export function ffmpegScript(input: FfmpegInput): string | undefined {
  const { kind, start, options = [] } = input;
  const address = addressOf(input);
  if (!address) return undefined;
  const transport = options.find(([name]) => name === 'rtsp_transport');
  // Its RTSP reads this word from the address, in every version.
  if (/^rtsps?:$/i.test(address.protocol) && !transport) address.search += address.search ? '&tcp' : '?tcp';
  if (options.some(([name]) => name === 'f'))
    throw new EngineError('EBADPARAM', 'options cannot be given -f with an address that holds a login or another secret');
  const entry = [
    `file ${quoted(address.href)}`,
    ...(kind === 'video' && start > 0 ? [`inpoint ${start}`] : []),
    ...[...trust(input, address.protocol), ...options.filter(isOfInput)].map(([name, value]) => `option ${name} ${quoted(value)}`),
  ];
  return ['ffconcat version 1.0', ...entry, ''].join('\n');
}

function inputArguments(input: FfmpegInput, platform: NodeJS.Platform, demands: string[] = []): string[] {
  const { kind, fps, loop, start, options = [] } = input;
  const address = addressOf(input);
  const further = options.filter((option) => !address || !isOfInput(option)).flatMap(([name, value]) => [`-${name}`, value]);
  // Of an option that is given twice, the later one counts.
  const from = (name: string): string[] => [...further, '-i', name];
  const capture = (format: string): string[] => (options.some(([name]) => name === 'f') ? [] : ['-f', format]);
  if (kind === 'screen') {
    const screen = SCREENS[platform] ?? SCREENS.linux;
    return [...LOW_DELAY, ...capture(screen.format), '-framerate', String(fps), ...from(screen.name(input.input))];
  }
  if (address) {
    // A list cannot be wound back: its loop is the process that begins again, too.
    const protocols = [...PROTOCOLS, address.protocol.slice(0, -1)].join(',');
    return [...(kind === 'camera' ? LOW_DELAY : []), '-f', 'concat', '-safe', '0', '-protocol_whitelist', protocols, ...from('pipe:0')];
  }
  const [, protocol] = isAddress(input.input) ? (/^\s*([^:]*:)/.exec(input.input) ?? []) : [];
  const plain = protocol ? trust(input, protocol).flatMap(([name, value]) => [`-${name}`, value]) : [];
  if (kind === 'video') {
    // ffmpeg's own loop goes to the very beginning; from another start it is the process that begins again.
    const where = start > 0 ? ['-ss', String(start)] : loop ? ['-stream_loop', '-1'] : [];
    return [...where, ...plain, ...from(input.input)];
  }
  if (isAddress(input.input)) {
    const transport = /^rtsps?:/i.test(input.input) ? ['-rtsp_transport', 'tcp'] : [];
    return [...LOW_DELAY, ...transport, ...plain, ...from(input.input)];
  }
  // A system whose cameras ffmpeg has no usual name for: the device is passed on as it is.
  const camera = CAMERAS[platform];
  return camera
    ? [...LOW_DELAY, ...capture(camera.format), ...demands, ...from(camera.name(input.input))]
    : [...LOW_DELAY, ...from(input.input)];
}

function addressOf({ kind, input, user, password }: FfmpegInput): URL | undefined {
  return kind === 'screen' ? undefined : secretAddress(input, { user, password });
}

/** Where the certificates are that systems trust; ffmpeg built with OpenSSL looks nowhere by itself. */
const CERTIFICATES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** By default ffmpeg takes any certificate, and tells the login to whoever has one. @param protocol with its colon */
export function trust({ anyCertificate = false }: Pick<FfmpegInput, 'anyCertificate'>, protocol: string): InputOptions {
  if (!/^(https|rtsps|tls|rtmps):$/i.test(protocol) || anyCertificate) return [];
  const authorities = process.env.SSL_CERT_FILE || CERTIFICATES.find((file) => existsSync(file));
  return [['tls_verify', '1'], ...(authorities ? [['ca_file', authorities] as [string, string]] : [])];
}

/** As the list wants a text. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
