import { EngineError } from '../../../engine/errors';
import { quote } from '../../../engine/util/quote';

/** Options for ffmpeg's input beyond those of the dialog, each with its value. */
export type InputOptions = [name: string, value: string][];

/** The options of the program itself, or of its decoder. */
const OF_PROGRAM = ['f', 'c:v', 'vcodec', 'hwaccel', 'hwaccel_device', 'threads', 'thread_queue_size', 'itsoffset'];

/** The options of devices, network protocols and demuxers. Each takes exactly one value, and none names another input, a file to write or a protocol. */
const OF_INPUT = [
  // devices
  'video_size',
  'framerate',
  'input_format',
  'pixel_format',
  'channel',
  'standard',
  'timestamps',
  'use_libv4l2',
  'rtbufsize',
  'video_device_index',
  'video_device_number',
  'capture_cursor',
  'capture_mouse_clicks',
  'capture_raw_data',
  'drop_late_frames',
  'draw_mouse',
  'follow_mouse',
  'show_region',
  'region_border',
  'window_id',
  'grab_x',
  'grab_y',
  'select_region',
  'offset_x',
  'offset_y',
  'crossbar_video_input_pin_number',
  'video_pin_name',
  'camera_index',
  // network
  'rtsp_transport',
  'rtsp_flags',
  'allowed_media_types',
  'min_port',
  'max_port',
  'timeout',
  'stimeout',
  'rw_timeout',
  'listen_timeout',
  'reorder_queue_size',
  'buffer_size',
  'fifo_size',
  'overrun_nonfatal',
  'pkt_size',
  'localaddr',
  'localport',
  'ttl',
  'sources',
  'tcp_nodelay',
  'user_agent',
  'referer',
  'headers',
  'cookies',
  'multiple_requests',
  'seekable',
  'icy',
  'auth_type',
  'method',
  'reconnect',
  'reconnect_at_eof',
  'reconnect_streamed',
  'reconnect_on_network_error',
  'reconnect_on_http_error',
  'reconnect_delay_max',
  'tls_verify',
  'ca_file',
  'verifyhost',
  'live_start_index',
  'max_reload',
  'http_persistent',
  'http_seekable',
  'rtmp_live',
  'rtmp_buffer',
  'latency',
  'mode',
  'streamid',
  // demuxers
  'probesize',
  'analyzeduration',
  'formatprobesize',
  'fpsprobesize',
  'max_probe_packets',
  'fflags',
  'flags',
  'max_delay',
  'err_detect',
  'use_wallclock_as_timestamps',
  'skip_frame',
  'skip_loop_filter',
  'ec',
  'strict',
  'correct_ts_overflow',
  'strict_mime_boundary',
];

/** Formats with pictures of one source; others lead to further inputs, or are not for cameras. */
const FORMATS = [
  'v4l2',
  'video4linux2',
  'avfoundation',
  'dshow',
  'vfwcap',
  'x11grab',
  'gdigrab',
  'fbdev',
  'kmsgrab',
  'decklink',
  'libdc1394',
  'iec61883',
  'android_camera',
  'mjpeg',
  'mpjpeg',
  'h264',
  'hevc',
  'av1',
  'obu',
  'ivf',
  'm4v',
  'mpegvideo',
  'mpegts',
  'mpeg',
  'flv',
  'live_flv',
  'matroska',
  'webm',
  'mov',
  'mp4',
  'avi',
  'asf',
  'ogg',
  'nut',
  'rtsp',
  'rtp',
  'rtp_mpegts',
  'hls',
  'gif',
  'rawvideo',
  'yuv4mpegpipe',
  'image2pipe',
  'jpeg_pipe',
  'png_pipe',
];

/**
 * Reads the dialog's options for ffmpeg, such as `-input_format yuyv422 -video_size 1280x720`.
 *
 * @throws EBADPARAM that names the first option that is not allowed
 */
export function readInputOptions(text: string): InputOptions {
  const words = inWords(text);
  const options: InputOptions = [];
  for (let k = 0; k < words.length; k += 2) {
    const [word, value] = [words[k], words[k + 1]];
    const name = word.replace(/^-/, '');
    if (!word.startsWith('-') || !(OF_PROGRAM.includes(name) || OF_INPUT.includes(name))) throw refused(`cannot be given ${quote(word)}`);
    if (value === undefined) throw refused(`needs a value after ${word}`);
    if (name === 'f' && !FORMATS.includes(value)) throw refused(`cannot be given the format ${quote(value)}`);
    options.push([name, value]);
  }
  return options;
}

/** Whether an option goes to the device, network or demuxer, and not to the program. */
export function isOfInput([name]: InputOptions[number]): boolean {
  return OF_INPUT.includes(name);
}

function refused(what: string): EngineError {
  return new EngineError(
    'EBADPARAM',
    `options ${what}: allowed are ffmpeg's own for devices, networks and decoders, each with one value, such as -video_size 1280x720 or -rtsp_transport udp; none that names another input, a file or a protocol`,
  );
}

/** The words of a text; a quoted text is one word. */
function inWords(text: string): string[] {
  if (/[\0\r\n]/.test(text)) throw refused('cannot have several lines');
  if ((text.match(/"/g) ?? []).length % 2 || (text.match(/'/g) ?? []).length % 2) throw refused('has an unmatched quotation mark');
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) => double ?? single ?? plain);
}
