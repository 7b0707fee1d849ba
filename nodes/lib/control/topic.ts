import type { NodeMessage } from 'node-red';
import { StreamMeter } from '../../../engine/host/client/stream-meter';
import type { FinishedFrame, FrameResult, StreamStats } from '../../../engine/host/protocol/messages';
import type { ControlMap, ControlMapJob } from '../../../engine/image/control/jobs';
import type { ControlMapState } from '../../../engine/image/control/maps';
import { copyOf, type Picture, toPicture } from '../../../engine/image/picture';
import { NewestWins } from '../../../engine/util/newest-wins';
import type { Room } from './room';
import type { ControlSettings } from './settings';

/** The control maps of one topic: one frame is being drawn, and one waits. */
export class ControlTopic {
  private readonly queue = new NewestWins();
  private readonly meter = new StreamMeter();
  private state: ControlMapState | undefined;
  closed = false;

  /**
   * @param drawMap draws a map, off the calling thread
   * @param room the empty room, for silhouettes
   */
  constructor(
    private readonly chosen: () => ControlSettings,
    private readonly drawMap: (job: ControlMapJob) => Promise<ControlMap>,
    readonly room?: Room,
  ) {}

  get stats(): StreamStats {
    return this.meter.stats();
  }

  /**
   * The map of the message's picture, drawn off the calling thread, in the order of the frames; undefined for a frame that a newer
   * one replaced. Rejects with EBADFRAME when the payload is not a picture.
   */
  async draw(msg: NodeMessage): Promise<FinishedFrame | undefined> {
    // Copied, since the sender may reuse the buffer while the frame waits.
    const picture = copyOf(toPicture(msg.payload));
    const result = await this.meter.watch(this.inTurn(picture), performance.now());
    return result.outcome === 'finished' ? result : undefined;
  }

  /** Forgets the state that is kept from frame to frame. */
  reset(): void {
    this.state = undefined;
    this.room?.forget();
  }

  /** Settles a waiting frame without a map. */
  close(): void {
    this.closed = true;
    this.queue.clear();
  }

  private async inTurn(picture: Picture): Promise<FrameResult> {
    let finished: FinishedFrame | undefined;
    await this.queue.run(async () => {
      finished = await this.drawNow(picture);
    });
    return finished ?? { outcome: 'dropped' };
  }

  private async drawNow(picture: Picture): Promise<FinishedFrame> {
    const { map, size } = this.chosen();
    const { room } = this;
    const now = performance.now();
    await room?.look(picture, size, now);
    const before = room ? room.background : this.state;
    const { state, ...drawn } = await this.drawMap({
      picture,
      size,
      settings: map,
      state: before,
      adapt: room?.shouldAdapt(now),
    });
    // The state is kept unless it was reset meanwhile.
    if (!room && this.state === before) this.state = state;
    if (!room) return { ...drawn, outcome: 'finished', latencyMs: 0 };
    // Another size means another camera, or a changed dialog, so the room is another one as well.
    if (before && (before.width !== drawn.width || before.height !== drawn.height)) room.forget();
    else if (state && room.background === before) room.adapt(state, now);
    return { ...drawn, outcome: 'finished', latencyMs: 0 };
  }
}
