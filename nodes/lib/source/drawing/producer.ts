import { EngineError } from '../../../../engine/errors';
import { Pacer } from '../pacer';
import { JPEG_QUALITY, type Producer, type ProducerEvents } from '../../common/producer';
import type { DrawingDoor } from './door';

/** The sheet of a drawing page at a steady rate; it is only rendered again when it has changed. */
export class DrawingProducer implements Producer {
  private readonly pacer: Pacer;
  private stopped = false;
  private newest: { version: number; jpeg: Buffer } | undefined;

  constructor(
    private readonly door: DrawingDoor,
    events: ProducerEvents,
  ) {
    door.running = true;
    const { sheet, format } = door;
    this.pacer = new Pacer(1000 / format.fps, async () => {
      try {
        if (sheet.version === 0) await sheet.reset();
        const { version } = sheet;
        if (this.newest?.version !== version) this.newest = { version, jpeg: await sheet.picture(JPEG_QUALITY) };
        // Copied, since the flow may change the buffer.
        if (!this.stopped) events.frame(Buffer.from(this.newest.jpeg));
      } catch (thrown) {
        if (this.stopped) return;
        void this.stop();
        events.failed(EngineError.from(thrown, 'ESOURCE', 'the drawing cannot be rendered: '));
      }
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.door.running = false;
    await this.pacer.stop();
  }
}
