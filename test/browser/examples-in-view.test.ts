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

  it('have every sink in view when they are opened, and links to their pages', async () => {
    for (const example of EXAMPLES) {
      const parts = JSON.parse(readFileSync(join(ROOT, 'examples', example), 'utf8')) as (Part & { info?: string; name?: string })[];
      const tab = parts.find(({ type }) => type === 'tab')!;
      for (const comment of parts.filter(
        ({ type, name }) => type === 'comment' && /(^|\s)\/(streamdiffusion|dashboard|picture)\b/.test(name ?? ''),
      )) {
        assert.match(comment.info ?? '', /\[\/[^\]]+\]\(\/[^)\s]+\)/, `${example}: the comment has its addresses as links`);
      }
      const sinks = parts.filter(({ type }) => type === 'streamdiffusion-sink').map(({ id }) => id);
      if (sinks.length === 0) continue;
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
          return new Promise<{ frame: DOMRect; boxes: DOMRect[] }>((resolve) => {
            const look = (): void => {
              const boxes = wanted.map((sink) => document.querySelector(`[id="${sink}"] .red-ui-flow-node`)?.getBoundingClientRect());
              const frame = document.getElementById('red-ui-workspace-chart')!.getBoundingClientRect();
              if (boxes.every(Boolean)) resolve({ frame, boxes: boxes as DOMRect[] });
              else setTimeout(look, 50);
            };
            setTimeout(look, 200);
          });
        },
        { all: parts as object[], id: tab.id, wanted: sinks },
      );
      for (const box of found.boxes) {
        assert.ok(
          box.left >= found.frame.left && box.right <= found.frame.right && box.bottom <= found.frame.bottom && box.top >= found.frame.top,
          `${example}: ${JSON.stringify(box)} in ${JSON.stringify(found.frame)}`,
        );
      }
      await keepScreenshot(page, `example-${example.replace(/\W+/g, '-')}`);
    }
  });
});
