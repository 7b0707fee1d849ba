import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { openPage, type Stage, setStage } from './browser';
import type { Server } from './server';
import { PATIENCE } from './until';

export interface EditorNode {
  id: string;
  type: string;
  valid: boolean;
  [field: string]: unknown;
}

/** The part of the editor's API that tests use. */
export interface EditorRED {
  nodes: {
    getType(type: string): { icon: string };
    getNodeHelp(type: string): string;
    filterNodes(filter: { type: string }): EditorNode[];
    eachConfig(callback: (config: EditorNode) => void): void;
    createCompleteNodeSet(): object[];
    dirty(isDirty?: boolean): boolean;
  };
  history: { pop(): void };
  view: { importNodes(flow: object[], options: { addFlow?: boolean; generateIds?: boolean; touchImport?: boolean }): void };
  editor: { edit(node: object): void; editConfig(name: string, type: string, id: string): void };
  sidebar: { show(id: string): void };
}

interface Point {
  x: number;
  y: number;
}

/** Node-RED's editor in a browser. */
export class Editor {
  private constructor(
    readonly page: Page,
    /** Errors of its scripts and console, which whoever has checked them empties. */
    readonly errors: string[],
  ) {}

  /**
   * Opens the editor and waits until it shows the flow.
   * @param shown selector of an element that is there then; a flow without nodes only has the palette
   */
  static async open(browser: Browser, server: Server, height = 900, shown = '.red-ui-flow-node-group'): Promise<Editor> {
    const { page, errors } = await openPage(browser, server.address, { width: 1500, height });
    await page.waitForSelector(shown, { timeout: PATIENCE });
    return new Editor(page, errors);
  }

  /** Runs a function in the page, with the editor's API and one JSON value. */
  red<T, V = undefined>(work: (red: EditorRED, value: V) => T, value?: V): Promise<T> {
    return this.page.evaluate(`(${work.toString()})(window.RED, ${JSON.stringify(value) ?? 'undefined'})`);
  }

  nodes(type: string): Promise<EditorNode[]> {
    return this.red(
      (RED, name) =>
        RED.nodes.filterNodes({ type: name }).map(({ id, type: of, name: called, valid }) => ({ id, type: of, name: called, valid })),
      `streamdiffusion-${type}`,
    );
  }

  /**
   * Opens the dialog of the first node of a type, without the prefix, or of the one with this id.
   * @param prepared selector of an element that is there when the dialog's own script has run
   */
  async edit(type: string, prepared = '.red-ui-tray-body form', id?: string): Promise<void> {
    await this.red(
      (RED, wanted) => {
        const isIt = (node: EditorNode): boolean => node.type === wanted.type && (wanted.id === undefined || node.id === wanted.id);
        const node = RED.nodes.filterNodes({ type: wanted.type }).find(isIt);
        if (node) return RED.editor.edit(node);
        RED.nodes.eachConfig((config) => void (isIt(config) && RED.editor.editConfig('', config.type, config.id)));
      },
      { type: `streamdiffusion-${type}`, id },
    );
    await this.page.locator(prepared).first().waitFor({ state: 'visible', timeout: PATIENCE });
    await this.standsStill('.red-ui-tray');
  }

  /** Opens the engine's dialog. */
  editEngine(): Promise<void> {
    return this.edit('engine', '.red-ui-tray .red-ui-typedInput-container');
  }

  /** Closes the dialog. */
  async close(how: 'ok' | 'cancel' = 'ok'): Promise<void> {
    await this.page.locator(`#node-dialog-${how}:visible, #node-config-dialog-${how}:visible`).click();
    await this.page.waitForSelector('.red-ui-tray', { state: 'detached' });
  }

  /**
   * Drags a node, named without its prefix, from the palette.
   * @param at where its centre goes, from the canvas's upper left corner
   * @returns its id
   */
  async drag(type: string, at: Point): Promise<string> {
    const before = new Set((await this.nodes(type)).map(({ id }) => id));
    const canvas = (await this.page.locator('#red-ui-workspace-chart').boundingBox())!;
    const entry = (await this.page.locator(`.red-ui-palette-node[data-palette-type="streamdiffusion-${type}"]`).elementHandle())!;
    await entry.scrollIntoViewIfNeeded();
    const from = (await entry.boundingBox())!;
    const to = { x: canvas.x + at.x, y: canvas.y + at.y };
    await this.moveMouse({ x: from.x + 40, y: from.y + 10 }, { x: to.x - 60, y: to.y - 30 }, to);
    const id = (await this.nodes(type)).map(({ id }) => id).find((each) => !before.has(each));
    if (!id) throw new Error(`no ${type} came`);
    return id;
  }

  /** Draws a wire from the first output of a node to the input of another one, by their ids. */
  async wire(from: string, to: string): Promise<void> {
    const [start, end] = [await this.port(from, 'output'), await this.port(to, 'input')];
    await this.moveMouse(start, { x: end.x - 20, y: end.y - 5 }, end);
  }

  private async port(id: string, kind: 'input' | 'output'): Promise<Point> {
    const box = (await this.page.locator(`[id="${id}"] .red-ui-flow-port-${kind} .red-ui-flow-port`).first().boundingBox())!;
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  }

  /** Drags with the button held, slowly enough for the editor to follow. */
  private async moveMouse(from: Point, by: Point, to: Point): Promise<void> {
    const { mouse } = this.page;
    await mouse.move(from.x, from.y);
    await mouse.down();
    await mouse.move(by.x, by.y, { steps: 8 });
    await mouse.move(to.x, to.y, { steps: 8 });
    await mouse.up();
  }

  async deploy(): Promise<void> {
    await this.page.click('#red-ui-header-button-deploy');
    await this.page.waitForFunction(() => !(window as unknown as { RED: EditorRED }).RED.nodes.dirty());
    // The editor accepts clicks again a moment after it has deployed.
    await this.page.waitForFunction(() => getComputedStyle(document.getElementById('red-ui-editor-shade')!).display === 'none');
  }

  /** Waits until an element has stopped moving, so that a click does not miss it. */
  private async standsStill(selector: string): Promise<void> {
    const place = async (): Promise<string> => JSON.stringify(await this.page.locator(selector).last().boundingBox());
    for (let before = await place(), still = 0; still < 4; ) {
      await this.page.waitForTimeout(50);
      const now = await place();
      still = now === before ? still + 1 : 0;
      before = now;
    }
  }
}

/** A stage with the editor open, none of whose scripts may fail. */
export function setEditor(onOpen: (editor: Editor) => void): Stage {
  let editor: Editor | undefined;
  const stage = setStage({
    open: async ({ browser, server }) => {
      editor = await Editor.open(browser, server);
      onOpen(editor);
    },
  });
  afterEach(() => assert.deepEqual(editor?.errors.splice(0) ?? [], [], 'no script of the editor failed'));
  return stage;
}
