import { join } from 'node:path';
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { codecPool } from '../../../engine/image/codec-pool';
import type { ModelWords } from '../../../engine/model/model-words';
import { modelFolder } from '../../../engine/model/files';
import { askWords } from '../prompt/words';
import type { SinkFeed } from '../sink/feed';
import type { SinkMedia } from '../sink/media';
import { galleryPath, keepSnapshot } from '../sink/open-gallery';
import { warnOfLost } from '../web/lost-handshakes';
import { PageRoutes } from '../web/visitor-pages';
import { Desk } from './desk';
import type { Show } from './instrument';
import { paintingBefore } from './painting';
import { type Players, PlayRoutes } from './routes';
import { Scenes } from './scenes';
import { WishDoor } from './wishes';

const THUMBNAIL = { quality: 70, size: { width: 192, height: 120, fit: 'cover' } } as const;

/** The pages of a sink besides its live page, as its dialog sets them. */
export interface PageChoice {
  controls: 'off' | Players;
  /** Whether visitors may propose prompts. */
  wishes: boolean;
}

/** The open pages of a sink besides its live page. */
export interface SinkPages {
  /** Must be called when the state of the pictures was changed elsewhere, so that performance pages show it. */
  look(): void;
  /** Answers a visitor. @throws EBADPARAM */
  answer(visitor: unknown, answer: unknown): void;
  close(): Promise<void>;
}

/**
 * Opens the sink's pages.
 *
 * @param failed called when a page cannot be opened; the sink shows its pictures anyway
 */
export function openPages(
  RED: NodeAPI,
  node: Node,
  name: string,
  { controls, wishes }: PageChoice,
  feed: SinkFeed,
  media: SinkMedia,
  failed: (thrown: unknown) => void,
): SinkPages {
  const attempt = <T>(open: () => T): T | undefined => {
    try {
      return open();
    } catch (thrown) {
      failed(thrown);
      return undefined;
    }
  };
  const play = controls === 'off' ? undefined : attempt(() => openPlayPage(RED, node, name, controls, feed, media));
  const wish = wishes ? attempt(() => openWishPage(RED, node, name)) : undefined;
  return {
    look: () => play?.look(),
    answer: (visitor, answer) => {
      if (!wish) throw new EngineError('EBADPARAM', "msg.answer is for visitors' wishes, and this sink has no page for them");
      wish.answer(visitor, answer);
    },
    close: async () => {
      wish?.close();
      await play?.close();
    },
  };
}

/**
 * Serves a sink's performance page. Settings made there leave the node through its second output.
 *
 * @throws EBADPARAM when another one has the name
 */
function openPlayPage(
  RED: NodeAPI,
  node: Node,
  name: string,
  players: Players,
  feed: SinkFeed,
  media: SinkMedia,
): Pick<SinkPages, 'look' | 'close'> {
  const { userDir } = RED.settings as { userDir?: string };
  const file = userDir === undefined ? undefined : join(userDir, 'streamdiffusion', 'scenes', `${name}.json`);
  const scenes = new Scenes(file, (error) => node.warn(error));
  void scenes.load();
  const desk = new Desk(
    {
      send: (msg) => node.send([null, msg as NodeMessage]),
      painting: () => paintingBefore(RED, node.id),
      words: wordsOf,
      show: showOf(feed, media, (id) => galleryPath(RED, name, id)),
    },
    scenes,
  );
  const { pages } = PlayRoutes.of(RED);
  const page = { desk, players, onLost: warnOfLost(node, RED._) };
  pages.add(name, page);
  return {
    look: () => desk.look(),
    close: async () => {
      pages.remove(name, page);
      desk.close();
      await scenes.written();
    },
  };
}

/**
 * Serves the page on which a sink's visitors propose prompts, which leave the node through its second output.
 *
 * @throws EBADPARAM when another one has the name
 */
function openWishPage(RED: NodeAPI, node: Node, name: string): { answer: WishDoor['answer']; close(): void } {
  const door = new WishDoor(
    (prompt, visitor) => node.send([null, { prompt, visitor } as NodeMessage]),
    async () => {
      const model = paintingBefore(RED, node.id)?.model;
      return model === undefined ? undefined : ((await wordsOf(model, [], true)).known ?? null);
    },
  );
  const { pages } = PageRoutes.of(RED, 'wish');
  const page = { door, values: () => ({}), onLost: warnOfLost(node, RED._) };
  pages.add(name, page);
  return {
    answer: (visitor, answer) => door.answer(visitor, answer),
    close: () => {
      pages.remove(name, page);
      door.end();
    },
  };
}

/** How a model reads texts, by its folder. */
function wordsOf(model: string, texts: string[], withList: boolean): Promise<ModelWords> {
  return askWords(model === modelFolder('starter') ? 'starter' : model, texts, withList);
}

function showOf(feed: SinkFeed, media: SinkMedia, addressOf: (picture: string) => string): Show {
  return {
    state: () => ({ blackout: feed.isBlack, freeze: feed.frozen, recording: media.isRecording }),
    blackout: (on, fadeMs) => feed.blackout(on, fadeMs),
    freeze: (on) => feed.freeze(on),
    snapshot: () => keepSnapshot(media, addressOf),
    record: (on) => (on ? media.record() : media.stop()),
    thumbnail: async () => {
      const jpeg = await feed.newestJpeg();
      return jpeg && codecPool.toJpeg({ kind: 'encoded', data: jpeg }, THUMBNAIL);
    },
  };
}
