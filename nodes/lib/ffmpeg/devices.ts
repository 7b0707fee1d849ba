import type { FrameFormat } from '../common/producer';

/** The capture of ffmpeg on each system, and how it wants its devices named. */
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

/** What cameras usually can: pixels, at 4:3 or 16:9. */
const SIZES = [
  [640, 480],
  [1280, 720],
  [1920, 1080],
  [3840, 2160],
];
const USUAL_RATE = 30;

/**
 * How a camera of this system is asked for its pictures, the best way first.
 * @param said what ffmpeg wrote at each try before, none of which gave a picture
 * @returns undefined when there is no other way left
 */
export function cameraDemands(platform: NodeJS.Platform, format: FrameFormat, said: string[]): string[] | undefined {
  if (platform === 'linux') return v4l2Demands(format)[said.length];
  if (platform === 'darwin') return avfoundationDemands(format, said);
  return said.length === 0 ? [] : undefined;
}

/** Raw pictures of HD take a USB camera's whole line: 5 to 10 a second. As MJPEG it gives 30. */
function v4l2Demands({ fps, width, height }: FrameFormat): string[][] {
  const [w, h] = SIZES.find(([w, h]) => w >= width && h >= height) ?? SIZES[SIZES.length - 1];
  const rate = String(fps > USUAL_RATE ? 60 : USUAL_RATE);
  const plain = ['-video_size', `${w}x${h}`, '-framerate', rate];
  return [['-input_format', 'mjpeg', ...plain], plain, []];
}

/** Without a rate ffmpeg asks for 29.97, which many cameras refuse; then it names what they can. */
function avfoundationDemands(format: FrameFormat, said: string[]): string[] | undefined {
  if (said.length === 0) return ['-framerate', String(USUAL_RATE)];
  if (said.length > 2) return undefined;
  const mode = said.length === 1 ? bestMode(said[0], format) : undefined;
  if (mode) return ['-video_size', `${mode.width}x${mode.height}`, '-framerate', mode.rate];
  // Named none, or that one was refused as well: as ffmpeg asks by itself.
  return said.length === 2 && !bestMode(said[0], format) ? undefined : [];
}

interface Mode {
  width: number;
  height: number;
  rate: string;
}

/** Of the modes that ffmpeg names, the smallest that covers the wanted size, as fast as is usual. */
function bestMode(said: string, { width, height }: FrameFormat): Mode | undefined {
  const modes = [...said.matchAll(/(\d+)x(\d+)@\[\s*([\d.]+)\s+([\d.]+)\s*\]\s*fps/g)].map(([, w, h, slowest, fastest]) => ({
    width: Number(w),
    height: Number(h),
    rate: Number(slowest) <= USUAL_RATE && Number(fastest) >= USUAL_RATE ? String(USUAL_RATE) : fastest,
  }));
  const cost = (mode: Mode): number => {
    const covers = mode.width >= width && mode.height >= height;
    const pixels = mode.width * mode.height;
    // Slow ones last, small ones before them, then the fewest pixels.
    return (Number(mode.rate) < 10 ? 1e12 : 0) + (covers ? pixels : 1e10 - pixels);
  };
  return modes.sort((a, b) => cost(a) - cost(b))[0];
}

/** Whether the usual screen is one of Wayland's, of which x11grab sees only black. */
export function isWayland(screen: string, platform = process.platform, env = process.env): boolean {
  if (platform !== 'linux') return false;
  // Another X server may run beside it.
  if (screen !== '' && screen !== env.DISPLAY) return false;
  return env.XDG_SESSION_TYPE === 'wayland' || Boolean(env.WAYLAND_DISPLAY);
}
