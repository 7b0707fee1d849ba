import { EngineError } from '../../engine/errors';
import type { Output, Stream } from '../../engine/types';
import type { FrameSink, FrameSource } from './frames';

export interface Painting {
  source: FrameSource;
  sink: FrameSink;
  stream: Stream;
  width: number;
  height: number;
  signal: AbortSignal;
  /** A frame is done with: painted, or skipped. */
  onFrame: (done: number) => void;
  /** A frame cannot be read. */
  onSkipped: (name: string, error: EngineError) => void;
}

/**
 * Sends every frame through the stream, whose steps overlap, and what comes out into the sink, in order.
 * Frames that cannot be read are left out. On Ctrl+C, or when something fails, nothing half-written stays.
 *
 * @returns how many frames were painted
 */
export async function paint({ source, sink, stream, width, height, signal, onFrame, onSkipped }: Painting): Promise<number> {
  let painted = 0;
  let skipped = 0;
  const write = async (outputs: Output[]): Promise<void> => {
    for (const { id, image } of outputs) {
      await sink.write(String(id), image);
      painted++;
      onFrame(painted + skipped);
    }
  };
  try {
    for await (const frame of source.frames(width, height)) {
      if (signal.aborted) throw new EngineError('ECLOSED', 'stopped');
      if ('error' in frame) {
        skipped++;
        onSkipped(frame.name, frame.error);
      } else {
        await write(await stream.process({ image: frame.image, id: frame.name }));
      }
    }
    await write(await stream.flush());
    await sink.finish();
    return painted;
  } catch (thrown) {
    await sink.abandon();
    throw thrown;
  }
}
