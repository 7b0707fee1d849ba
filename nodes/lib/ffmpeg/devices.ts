import type { FrameFormat } from '../common/producer';

/** ffmpeg's capture format on each system, and how it names devices. */
export interface Capture {
  format: string;
  name: (device: string) => string;
}
type BySystem = Partial<Record<NodeJS.Platform, Capture>> & { linux: Capture };

export const CAMERAS: BySystem = {
  linux: { format: 'v4l2', name: (device) => device },
  darwin: { format: 'avfoundation', name: (device) => (device.includes(':') ? device : `${device}:none`) },
  win32: { format: 'dshow', name: (device) => (device.startsWith('video=') ? device : `video=${device}`) },
};

export const SCREENS: BySystem = {
  linux: { format: 'x11grab', name: (display) => display || process.env.DISPLAY || ':0' },
  darwin: { format: 'avfoundation', name: (screen) => `${screen || 'Capture screen 0'}:none` },
  win32: { format: 'gdigrab', name: (window) => window || 'desktop' },
};

/** The usual sizes of cameras, pixels, at 4:3 or 16:9. */
const SIZES = [
  [640, 480],
  [1280, 720],
  [1920, 1080],
  [3840, 2160],
];
const USUAL_RATE = 30;

/**
 * The options with which a camera of this system is opened next, the best first.
 *
 * @param said ffmpeg's output at each earlier try, none of which gave a picture
 * @returns undefined when no other options are left
 */
export function cameraDemands(platform: NodeJS.Platform, format: FrameFormat, said: string[]): string[] | undefined {
  if (platform === 'linux') return v4l2Demands(format)[said.length];
  if (platform === 'darwin') return avfoundationDemands(format, said);
  return said.length === 0 ? [] : undefined;
}

/** MJPEG is tried first: raw HD pictures fill a USB camera's bandwidth at 5 to 10 a second, MJPEG reaches 30. */
function v4l2Demands({ fps, width, height }: FrameFormat): string[][] {
  const [w, h] = SIZES.find(([w, h]) => w >= width && h >= height) ?? SIZES[SIZES.length - 1];
  const rate = String(fps > USUAL_RATE ? 60 : USUAL_RATE);
  const plain = ['-video_size', `${w}x${h}`, '-framerate', rate];
  return [['-input_format', 'mjpeg', ...plain], plain, []];
}

/** Without a rate, ffmpeg asks for 29.97, which many cameras refuse; it then lists their modes. */
function avfoundationDemands(format: FrameFormat, said: string[]): string[] | undefined {
  if (said.length === 0) return ['-framerate', String(USUAL_RATE)];
  if (said.length > 2) return undefined;
  const mode = said.length === 1 ? bestMode(said[0], format) : undefined;
  if (mode) return ['-video_size', `${mode.width}x${mode.height}`, '-framerate', mode.rate];
  // Where no mode was listed, or it was refused as well, ffmpeg's defaults are the last try.
  return said.length === 2 && !bestMode(said[0], format) ? undefined : [];
}

interface Mode {
  width: number;
  height: number;
  rate: string;
}

/** The smallest of the modes that ffmpeg lists that covers the wanted size, at a usual rate. */
function bestMode(said: string, { width, height }: FrameFormat): Mode | undefined {
  const modes = [...said.matchAll(/(\d+)x(\d+)@\[\s*([\d.]+)\s+([\d.]+)\s*\]\s*fps/g)].map(([, w, h, slowest, fastest]) => ({
    width: Number(w),
    height: Number(h),
    rate: Number(slowest) <= USUAL_RATE && Number(fastest) >= USUAL_RATE ? String(USUAL_RATE) : fastest,
  }));
  const cost = (mode: Mode): number => {
    const covers = mode.width >= width && mode.height >= height;
    const pixels = mode.width * mode.height;
    // Slow modes come last, modes that are too small before them; of the others, the one with the fewest pixels is best.
    return (Number(mode.rate) < 10 ? 1e12 : 0) + (covers ? pixels : 1e10 - pixels);
  };
  return modes.sort((a, b) => cost(a) - cost(b))[0];
}

/** Whether the default screen is Wayland's, which is black to x11grab. */
export function isWayland(screen: string, platform = process.platform, env = process.env): boolean {
  if (platform !== 'linux') return false;
  // Another X server may run as well.
  if (screen !== '' && screen !== env.DISPLAY) return false;
  return env.XDG_SESSION_TYPE === 'wayland' || Boolean(env.WAYLAND_DISPLAY);
}
