import type { Node } from 'node-red';
import type { Background } from '../../../engine/image/control/background';

const KEY = 'rooms';
/** The number of topics whose rooms are kept beyond a deploy. */
const MOST_ROOMS = 8;

/** A room as it is stored in the context: texts survive every store. */
interface Kept {
  width: number;
  height: number;
  data: string;
}

/** The rooms by node: with its default store, Node-RED forgets a node's context with every deploy. */
const kept = new Map<string, Map<string, Kept>>();

/**
 * Keeps learned rooms, so that they are not learned again after a deploy, perhaps with people in the room. They are also kept in
 * the node's context: where that is stored in files, they survive a restart.
 */
export class RoomMemory {
  private readonly rooms: Map<string, Kept>;

  constructor(private readonly node: Pick<Node, 'id' | 'context'>) {
    this.rooms = kept.get(node.id) ?? this.stored();
    kept.set(node.id, this.rooms);
  }

  recall(topic: string): Background | undefined {
    const room = this.rooms.get(topic);
    if (!room) return undefined;
    const { width, height } = room;
    const data = Uint8Array.from(Buffer.from(room.data, 'base64'));
    return data.length === 4 * width * height ? { width, height, data } : undefined;
  }

  /** @param room undefined if it is no longer known */
  keep(topic: string, room: Background | undefined): void {
    this.rooms.delete(topic);
    if (room) this.rooms.set(topic, { width: room.width, height: room.height, data: Buffer.from(room.data).toString('base64') });
    for (const oldest of this.rooms.keys()) if (this.rooms.size > MOST_ROOMS) this.rooms.delete(oldest);
    this.node.context().set(KEY, [...this.rooms]);
  }

  /** @param topic '' for all */
  forget(topic: string): void {
    if (topic === '') this.rooms.clear();
    this.keep(topic, undefined);
  }

  /** The node was removed. */
  end(): void {
    kept.delete(this.node.id);
  }

  private stored(): Map<string, Kept> {
    const stored = this.node.context().get(KEY) as unknown;
    return new Map(Array.isArray(stored) ? stored.filter(isEntry) : []);
  }
}

/** Whether an entry is valid; a file may contain anything. */
function isEntry(entry: unknown): entry is [string, Kept] {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string') return false;
  const { width, height, data } = (entry[1] ?? {}) as Partial<Kept>;
  return Number.isInteger(width) && Number.isInteger(height) && typeof data === 'string';
}
