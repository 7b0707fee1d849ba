import type { FrameFormat } from './source-producer';

export interface FfmpegInput extends FrameFormat {
  kind: 'video' | 'camera';
  /** Video: a file or an address. Camera: an address, or a device as the system names it (`/dev/video0`, `0`, `Integrated Camera`). */
  input: string;
  /** Video: begin again at its end. */
  loop: boolean;
  /** For an address that asks who is there. */
  user?: string;
  password?: string;
}

const ADDRESS = /^[a-z][a-z0-9+.-]*:\/\//i;

/** The capture device of ffmpeg on each system, and how it wants its devices named. */
const CAPTURE: Partial<Record<NodeJS.Platform, { format: string; name: (device: string) => string }>> = {
  linux: { format: 'v4l2', name: (device) => device },
  darwin: { format: 'avfoundation', name: (device) => (device.includes(':') ? device : `${device}:none`) },
  win32: { format: 'dshow', name: (device) => (device.startsWith('video=') ? device : `video=${device}`) },
};

/**
 * The arguments that make ffmpeg write the input's pictures to its standard output: one JPEG behind the other, at the
 * wanted rate, cropped to fill the wanted size.
 */
export function ffmpegArguments(options: FfmpegInput, platform: NodeJS.Platform = process.platform): string[] {
  const { fps, width, height } = options;
  const size = `scale=${width}:${height}:force_original_aspect_ratio=increase,crop=${width}:${height}`;
  return [
    '-hide_banner', '-nostdin', '-loglevel', 'error',
    ...inputArguments(options, platform),
    '-an', '-sn', '-vf', `fps=${fps},${size}`,
    '-pix_fmt', 'yuvj420p', '-c:v', 'mjpeg', '-q:v', '4', '-f', 'image2pipe', '-flush_packets', '1', 'pipe:1',
  ];
}

function inputArguments({ kind, input, loop, user, password }: FfmpegInput, platform: NodeJS.Platform): string[] {
  if (kind === 'video') return [...(loop ? ['-stream_loop', '-1'] : []), '-re', '-i', withLogin(input, user, password)];
  const capture = CAPTURE[platform];
  const lowDelay = ['-fflags', 'nobuffer', '-flags', 'low_delay'];
  if (ADDRESS.test(input)) {
    const transport = /^rtsps?:/i.test(input) ? ['-rtsp_transport', 'tcp'] : [];
    return [...lowDelay, ...transport, '-i', withLogin(input, user, password)];
  }
  // A system whose cameras ffmpeg has no usual name for: the device is passed on as it is.
  return capture ? [...lowDelay, '-f', capture.format, '-i', capture.name(input)] : [...lowDelay, '-i', input];
}

function withLogin(input: string, user?: string, password?: string): string {
  if (!user || !ADDRESS.test(input)) return input;
  const address = new URL(input);
  address.username = encodeURIComponent(user);
  address.password = encodeURIComponent(password ?? '');
  return address.href;
}

/** `text` without what must not be read in a log: the given secrets, and any login inside an address. */
export function maskSecrets(text: string, secrets: (string | undefined)[]): string {
  const forms = secrets.filter((secret): secret is string => Boolean(secret)).flatMap((secret) => [secret, encodeURIComponent(secret)]);
  const masked = forms.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return masked.replace(/(:\/\/)[^/\s@]+@/g, '$1***@');
}
