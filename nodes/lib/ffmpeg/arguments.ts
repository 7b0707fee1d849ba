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
  /** Whether a video starts again at its end. */
  loop: boolean;
  /** Where a video starts, each time, seconds. */
  start: number;
  /** The speed of a video: 2 is twice as fast. */
  speed: number;
  /** The login of an address that needs one. */
  user?: string;
  password?: string;
  /** Whether any certificate is accepted. */
  anyCertificate?: boolean;
  /** Further options for ffmpeg's input. */
  options?: InputOptions;
}

/** The protocols that an address may lead to. The list that is read from a pipe must name them all. */
const PROTOCOLS = ['pipe', 'tcp', 'udp', 'tls', 'http', 'https', 'httpproxy', 'hls', 'rtp', 'srtp', 'crypto', 'data'];

/** Options for low delay. The camera's own rate is not probed: ffmpeg would need twenty pictures for that, which is too long at one a second. */
const LOW_DELAY = ['-fflags', 'nobuffer', '-flags', 'low_delay', '-fpsprobesize', '0'];

/** A longer pause in a video counts as a jump of its clock, seconds. */
export const LONGEST_PAUSE_S = 60;
/** The nominal rate of ffmpeg's output. It has no effect: pictures leave ffmpeg as they come, without times. */
const COUNT = 25;

/**
 * The arguments that make ffmpeg write the input's pictures to its standard output: a sequence of JPEGs, each picture of the
 * input once and without delay (a video at its own speed), cropped to fill exactly the wanted size. The receiver decides which
 * of them are sent on.
 *
 * @param demands the options with which a camera of this machine is opened
 */
export function ffmpegArguments(options: FfmpegInput, platform: NodeJS.Platform = process.platform, demands?: string[]): string[] {
  const { kind, width, height, speed } = options;
  const isVideo = kind === 'video';
  const filters = [
    `scale=${width}:${height}:force_original_aspect_ratio=increase`,
    // `exact` also crops to an odd number of pixels, though two share a colour.
    `crop=${width}:${height}:exact=1`,
    ...(isVideo && speed !== 1 ? [`setpts=PTS/${speed}`] : []),
    // The video is paced after its speed was changed; ffmpeg's option -re would pace it before.
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
    // Cover art is left out: ffmpeg would read the sound beside it in a loop, as fast as it can.
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

/** Whether an address is a playlist with the same video in several sizes, from which ffmpeg chooses. */
function isPlaylist(input: string): boolean {
  return isAddress(input) && /\.(m3u8|mpd)([?#]|$)/i.test(input);
}

/** The options with which a camera of this machine is opened next; empty for other inputs, or where the user's options open it. */
export function demandsOf(input: FfmpegInput, platform: NodeJS.Platform, said: string[] = []): string[] | undefined {
  const { kind, options = [] } = input;
  const isAsked = options.some(([name]) => ['f', 'video_size', 'framerate', 'input_format', 'pixel_format'].includes(name));
  if (kind !== 'camera' || isAddress(input.input) || isAsked) return said.length === 0 ? [] : undefined;
  return cameraDemands(platform, input, said);
}

/**
 * The script for ffmpeg's standard input: an address with a login or another secret, as a list of one entry for its concat
 * demuxer. Among the arguments, every user of the machine could read it. Undefined where there is no secret.
 *
 * @throws EBADPARAM for options that such an address cannot have
 */
export function ffmpegScript(input: FfmpegInput): string | undefined {
  const { kind, start, options = [] } = input;
  const address = addressOf(input);
  if (!address) return undefined;
  const transport = options.find(([name]) => name === 'rtsp_transport');
  // Every version of ffmpeg reads this word from an RTSP address.
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
  // If an option is given twice, the later one counts.
  const from = (name: string): string[] => [...further, '-i', name];
  const capture = (format: string): string[] => (options.some(([name]) => name === 'f') ? [] : ['-f', format]);
  if (kind === 'screen') {
    const screen = SCREENS[platform] ?? SCREENS.linux;
    return [...LOW_DELAY, ...capture(screen.format), '-framerate', String(fps), ...from(screen.name(input.input))];
  }
  if (address) {
    // A list cannot be rewound, so it loops by restarting the process.
    const protocols = [...PROTOCOLS, address.protocol.slice(0, -1)].join(',');
    return [...(kind === 'camera' ? LOW_DELAY : []), '-f', 'concat', '-safe', '0', '-protocol_whitelist', protocols, ...from('pipe:0')];
  }
  const [, protocol] = isAddress(input.input) ? (/^\s*([^:]*:)/.exec(input.input) ?? []) : [];
  const plain = protocol ? trust(input, protocol).flatMap(([name, value]) => [`-${name}`, value]) : [];
  if (kind === 'video') {
    // ffmpeg's own loop returns to the very beginning; with another start, the process is restarted instead.
    const where = start > 0 ? ['-ss', String(start)] : loop ? ['-stream_loop', '-1'] : [];
    return [...where, ...plain, ...from(input.input)];
  }
  if (isAddress(input.input)) {
    const transport = /^rtsps?:/i.test(input.input) ? ['-rtsp_transport', 'tcp'] : [];
    return [...LOW_DELAY, ...transport, ...plain, ...from(input.input)];
  }
  // On systems without a known capture format, the device is passed on unchanged.
  const camera = CAMERAS[platform];
  return camera
    ? [...LOW_DELAY, ...capture(camera.format), ...demands, ...from(camera.name(input.input))]
    : [...LOW_DELAY, ...from(input.input)];
}

function addressOf({ kind, input, user, password }: FfmpegInput): URL | undefined {
  return kind === 'screen' ? undefined : secretAddress(input, { user, password });
}

/** The places of trusted certificates on various systems; ffmpeg built with OpenSSL has no default. */
const CERTIFICATES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Options for checking certificates. By default ffmpeg accepts any, and sends the login to whoever has one. @param protocol with its colon */
export function trust({ anyCertificate = false }: Pick<FfmpegInput, 'anyCertificate'>, protocol: string): InputOptions {
  if (!/^(https|rtsps|tls|rtmps):$/i.test(protocol) || anyCertificate) return [];
  const authorities = process.env.SSL_CERT_FILE || CERTIFICATES.find((file) => existsSync(file));
  return [['tls_verify', '1'], ...(authorities ? [['ca_file', authorities] as [string, string]] : [])];
}

/** A text quoted for the list. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
