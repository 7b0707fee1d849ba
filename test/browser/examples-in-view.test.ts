import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { keepScreenshot, openPage, setStage } from '../lib/browser';
import { ROOT } from '../lib/reference';
import { PATIENCE } from '../lib/until';

interface Part {
  id: string;
  type: string;
  label?: string;
  /** Of what is on the canvas. */
  x?: number;
}

interface Box {
  id: string;
  left: number;
  right: number;
  top: number;
  bottom: number;
  /** Of a kind that this Node-RED has: it has its own label, and so its own width. */
  isKnown: boolean;
}

/** Of those that write a status beneath themselves. */
const SPEAKING = /^(streamdiffusion-|mqtt |udp |function$)/;
/** What a status such as "0 viewers · 25 fps" takes, in pixels. */
const STATUS = { width: 135, height: 18 };

/** A node with its status, which may be wider than the node. */
function withStatus(box: Box, type: string): Box {
  if (!SPEAKING.test(type)) return box;
  return { ...box, right: Math.max(box.right, box.left + STATUS.width), bottom: box.bottom + STATUS.height };
}

/** Pairs of nodes of which one lies on the other, or on its status. */
function overlaps(boxes: Box[]): string[] {
  const meets = (a: Box, b: Box): boolean => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return boxes.flatMap((a, k) =>
    boxes
      .slice(k + 1)
      .filter((b) => meets(a, b))
      .map((b) => `${a.id} and ${b.id}`),
  );
}

const EXAMPLES = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.json'))
  .sort();

describe('examples on a small screen', () => {
  let page: Page;
  setStage({
    open: async ({ browser, server }) => {
      ({ page } = await openPage(browser, server.address, { width: 1366, height: 768 }));
      await page.waitForSelector('.red-ui-flow-node-group', { timeout: PATIENCE });
    },
  });

  it('have every sink and its status in view when they are opened, nothing cut off or hidden, and links to their pages', async () => {
    for (const example of EXAMPLES) {
      const parts = JSON.parse(readFileSync(join(ROOT, 'examples', example), 'utf8')) as (Part & { info?: string; name?: string })[];
      const tab = parts.find(({ type }) => type === 'tab')!;
      for (const comment of parts.filter(
        ({ type, name }) => type === 'comment' && /(^|\s)\/(streamdiffusion|dashboard|picture)\b/.test(name ?? ''),
      )) {
        assert.match(comment.info ?? '', /\[\/[^\]]+\]\(\/[^)\s]+\)/, `${example}: the comment has its addresses as links`);
      }
      const sinks = parts.filter(({ type }) => type === 'streamdiffusion-sink').map(({ id }) => id);
      const nodes = parts.filter(({ type, x }) => type !== 'tab' && x !== undefined).map(({ id }) => id);
      const found = await page.evaluate(
        ({ all, id, wanted }) => {
          const { RED } = window as unknown as {
            RED: {
              nodes: { import(nodes: object[], options: object): void; workspace(id: string): unknown };
              workspaces: { show(id: string): void };
            };
          };
          if (!RED.nodes.workspace(id)) RED.nodes.import(all, { generateIds: false, importMap: {}, addFlow: false });
          RED.workspaces.show(id);
          return new Promise<{ frame: DOMRect; boxes: Box[] }>((resolve) => {
            const boxOf = (node: string): Box | undefined => {
              const drawn = [...document.querySelectorAll(`[id="${node}"] .red-ui-flow-node, [id="${node}"] .red-ui-flow-node-button`)];
              // A button that is not for this node is there without a size.
              const rects = drawn.map((each) => each.getBoundingClientRect()).filter(({ width }) => width > 0);
              if (rects.length === 0) return undefined;
              return {
                id: node,
                left: Math.min(...rects.map(({ left }) => left)),
                right: Math.max(...rects.map(({ right }) => right)),
                top: Math.min(...rects.map(({ top }) => top)),
                bottom: Math.max(...rects.map(({ bottom }) => bottom)),
                isKnown: !drawn[0].closest('.red-ui-flow-node-unknown'),
              };
            };
            let before = '';
            // Until all are drawn, and none moves or grows any more.
            const look = (): void => {
              const boxes = wanted.map(boxOf);
              const frame = document.getElementById('red-ui-workspace-chart')!.getBoundingClientRect();
              const now = JSON.stringify([frame, boxes]);
              if (boxes.every(Boolean) && now === before) return resolve({ frame, boxes: boxes as Box[] });
              before = now;
              setTimeout(look, 100);
            };
            setTimeout(look, 100);
          });
        },
        { all: parts as object[], id: tab.id, wanted: nodes },
      );
      const { frame } = found;
      const typeOf = (id: string): string => parts.find((part) => part.id === id)!.type;
      const boxes = found.boxes.map((box) => withStatus(box, typeOf(box.id)));
      for (const box of boxes) {
        assert.ok(box.left >= frame.left && box.top >= frame.top, `${example}: ${box.id} is cut off`);
        const isIn = box.right <= frame.right && box.bottom <= frame.bottom;
        assert.ok(isIn || !sinks.includes(box.id), `${example}: ${JSON.stringify(box)} in ${JSON.stringify(frame)}`);
      }
      assert.deepEqual(overlaps(boxes.filter(({ isKnown }) => isKnown)), [], `${example}: nodes lie on each other`);
      await keepScreenshot(page, `example-${example.replace(/\W+/g, '-')}`);
    }
  });
});
