/** What crosses the pipe to a codec process. Structured-clone values only. */
import type { Answer } from '../util/channel';
import type { RawImage } from '../types';
import { drawMap, learnRoom } from './control/jobs';
import { type Fit, type JpegOptions, decode, drawSvg, thumbnail, toJpeg } from './codec';
import type { Picture } from './picture';

/** The jobs of a codec process, by name. */
export const JOBS = {
  decode: ({ picture, width, height, fit }: { picture: Picture; width: number; height: number; fit?: Fit }): Promise<RawImage> =>
    decode(picture, width, height, fit),
  jpeg: ({ picture, ...options }: { picture: Picture } & JpegOptions): Promise<Buffer> => toJpeg(picture, options),
  svg: ({ svg, quality }: { svg: string; quality: number }): Promise<Buffer> => drawSvg(svg, quality),
  thumbnail: ({ picture, size }: { picture: Picture; size?: number }): Promise<Float32Array> => thumbnail(picture, size),
  controlMap: drawMap,
  room: learnRoom,
} as const;

export type JobName = keyof typeof JOBS;
export type JobParams<N extends JobName> = Parameters<(typeof JOBS)[N]>[0];
export type JobResult<N extends JobName> = Awaited<ReturnType<(typeof JOBS)[N]>>;

export interface JobOrder {
  name: JobName;
  params: JobParams<JobName>;
}

export type JobRequest = JobOrder & { id: number };

/** `memory`: the resident memory of the process, bytes. */
export type JobAnswer = Answer & { memory: number };

/** Sent now and then while jobs are under way: the CPU time that the process has taken since the last look at it, ms. */
export interface Effort {
  cpu: number;
}

export const EFFORT_INTERVAL = 200;
