import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { PictureNetProcess } from '../../../engine/host/client/picture-net-process';
import { controlPool } from '../../../engine/image/codec-pool';
import type { ControlMap as ControlMapFile, ControlMapJob } from '../../../engine/image/control/jobs';
import { isQuick, type Picture } from '../../../engine/image/picture';
import { tellChange } from '../common/changes';
import { ErrorThrottle } from '../common/error-throttle';
import { type Send, withCode } from '../common/input';
import { isMeantAsPicture, isReset, isSettingsOnly, topicOf } from '../common/message';
import type { Status } from '../common/status';
import { PerTopic } from '../common/per-topic';
import { forgetStreams, keepNewest } from '../engine/live-streams';
import type { Tunable, Wish } from '../web/tuning-routes';
import { putMap } from './message';
import { Room } from './room';
import { RoomMemory } from './room-memory';
import type { Learner } from './routes';
import { type ControlFields, type ControlSettings, readControl, type TunedControl, tuneControl } from './settings';
import { ControlTopic } from './topic';

const MAX_TOPICS = 32;

/** A control map node between its start and its close. */
export class ControlMap implements Learner, Tunable {
  private readonly topics = new PerTopic(
    MAX_TOPICS,
    (topic) => this.open(topic),
    (old) => old.close(),
  );
  private readonly faults = new ErrorThrottle();
  /** Only for silhouettes. */
  private readonly memory: RoomMemory | undefined;
  /** Only if a net draws the maps. */
  private readonly net: PictureNetProcess | undefined;
  private readonly ticker: NodeJS.Timeout;
  /** The settings before the dialog was opened. */
  private untuned: TunedControl | undefined;

  constructor(
    private readonly RED: NodeAPI,
    private readonly node: Node,
    private readonly status: Status,
    /** The dialog's fields as they were saved, or are being changed. */
    private fields: ControlFields,
    private settings: ControlSettings,
  ) {
    if (settings.map.kind === 'silhouette') this.memory = new RoomMemory(node);
    if (settings.net) this.net = new PictureNetProcess({ do: 'open', settings: settings.net });
    this.ticker = setInterval(() => this.showStatus(), 1000).unref();
    this.showStatus();
  }

  /** Handles one message; resolves when its map was sent, or a newer frame replaced it. */
  async take(msg: NodeMessage, send: Send): Promise<void> {
    const topic = topicOf(msg);
    if (isReset(msg)) {
      this.memory?.forget(topic);
      for (const concerned of this.topics.concerned(topic)) concerned.reset();
    }
    const isAdjusting = msg.control !== undefined;
    if (isAdjusting) this.adjust(msg);
    if (!isMeantAsPicture(msg)) {
      if (isSettingsOnly(msg)) return send(msg);
      if (isAdjusting) return;
    }
    await this.draw(msg, topic, send);
  }

  learn(topic = ''): void {
    // This includes topics without frames so far.
    this.memory?.forget(topic);
    for (const { room } of this.topics.concerned(topic)) room?.forget();
    this.showStatus();
  }

  async tune({ params }: Wish): Promise<void> {
    const before: TunedControl = { fields: this.fields, settings: this.settings };
    ({ fields: this.fields, settings: this.settings } = tuneControl(before, params));
    this.untuned ??= before;
    tellChange(this.RED, '');
  }

  async endTuning(keep: boolean): Promise<void> {
    const { untuned } = this;
    this.untuned = undefined;
    if (keep || !untuned) return;
    ({ fields: this.fields, settings: this.settings } = untuned);
    tellChange(this.RED, '');
  }

  /** @param removed whether the node is gone for good */
  close(removed: boolean): void {
    clearInterval(this.ticker);
    this.status.close();
    forgetStreams(this.node.id);
    // The room is kept as it is now, adapted to the current light.
    for (const topic of this.topics.names) this.memory?.keep(topic, this.topics.peek(topic)?.room?.background);
    for (const topic of this.topics.clear()) topic.close();
    this.net?.close();
    if (removed) this.memory?.end();
  }

  private open(topic: string): ControlTopic {
    const { memory } = this;
    const drawMap = (job: ControlMapJob): Promise<ControlMapFile> => this.drawMap(job);
    if (!memory) return new ControlTopic(() => this.settings, drawMap);
    const room = new Room(this.settings.learnMs, memory.recall(topic), (known) => {
      memory.keep(topic, known);
      tellChange(this.RED, topic);
    });
    return new ControlTopic(() => this.settings, drawMap, room);
  }

  private async drawMap(job: ControlMapJob): Promise<ControlMapFile> {
    if (!this.net) return controlPool.drawControlMap(job);
    const { size, settings } = job;
    // A picture that may crash its decoder or keep it busy is decoded in a separate process.
    const isHarmless = isQuick(job.picture);
    const picture: Picture = isHarmless ? job.picture : { kind: 'encoded', data: await controlPool.toJpeg(job.picture, { quality: 95 }) };
    const isScaled = this.settings.replaces;
    return this.net.ask({ do: 'draw', picture, size, isScaled, isInverted: settings.invert }) as Promise<ControlMapFile>;
  }

  /** Applies the message's settings of the map and removes them, so that a following control map does not apply them as well. */
  private adjust(msg: NodeMessage): void {
    const { map, learn } = readControl(msg.control, this.settings.map);
    delete msg.control;
    this.settings = { ...this.settings, map };
    if (learn) this.learn(topicOf(msg));
    tellChange(this.RED, '');
  }

  private async draw(msg: NodeMessage, topic: string, send: Send): Promise<void> {
    try {
      const stream = this.topics.get(topic);
      const map = await stream.draw(msg);
      this.faults.clear();
      if (!map) return;
      keepNewest(this.node.id, topic, stream, { result: map });
      putMap(msg, map, this.settings);
      send(msg);
    } catch (thrown) {
      const error = withCode(thrown);
      if (error.code === 'EBADFRAME') throw error;
      if (error.code === 'ECLOSED') return;
      // A fault of this machine is shown once, not with every frame.
      this.status.error(error);
      this.faults.report(error);
    }
  }

  private showStatus(): void {
    if (this.faults.current) return;
    const stats = this.topics.all.map((topic) => topic.stats);
    const fps = stats.reduce((sum, each) => sum + each.fps, 0);
    if (this.topics.all.some(({ room }) => room && !room.isKnown)) this.status.show('busy', this.RED._('status.learning'));
    else if (fps > 0) this.status.running(fps, Math.max(...stats.map(({ latencyMs }) => latencyMs)));
    else this.status.ready();
  }
}
