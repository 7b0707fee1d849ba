import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { changed, Server } from './server';
import { Shared } from './shared';
import { PATIENCE } from './until';

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A camera with a moving picture and a microphone that beeps, which every page may use.
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

/** Opens a headless Chromium; undefined, with a line that says why, on a machine without one. */
export async function openBrowser(): Promise<Browser | undefined> {
  const executablePath = chromiumPath();
  return executablePath ? chromium.launch({ executablePath, args: ARGUMENTS, timeout: PATIENCE }) : undefined;
}

function chromiumPath(): string | undefined {
  const path = PATHS.find((each) => each && existsSync(each));
  if (!path) console.log('    skipped: there is no Chromium; install it, or set CHROMIUM to its path');
  return path;
}

/** A browser and a Node-RED, for all tests of one `describe`. */
export interface Stage {
  browser: Browser;
  server: Server;
}

export interface StageOptions {
  /** Options of `npm start`. */
  options?: string[];
  /** Leaves the sources at their own rate: for tests of a picture that moves, and where the flow is behind a login. */
  moves?: boolean;
  /** Prepares what the server needs; what it returns is added to the server's environment. */
  prepare?: () => Promise<NodeJS.ProcessEnv>;
  /** Runs before the first test when both are ready. Another `before` would also run where the tests are skipped. */
  open?: (stage: Stage) => Promise<void>;
}

/** Pictures a second of a stage where nothing has to move: painting more would take a whole processor from the browser. */
const FEW_PICTURES = { fps: '5' };

const sharedBrowser = new Shared(
  async () => (await openBrowser()) as Browser,
  (browser) => browser.close(),
  (browser) => browser.isConnected(),
);

/** A server with the first example, and its flow. */
const sharedServer = new Shared(
  async () => {
    const server = await Server.start();
    // Where Mocha runs only some of the tests, the last user never comes.
    process.once('exit', () => server.child.kill());
    await server.ready();
    await server.change('streamdiffusion-source', FEW_PICTURES, 'nodes');
    return { server, flow: await server.flow() };
  },
  ({ server }) => server.stop(),
  ({ server }) => server.child.exitCode === null && server.child.signalCode === null,
);

/**
 * Provides both to the tests of this `describe`, which are skipped without a browser. All stages have the same browser, and those that
 * ask for nothing but `open` the same server, where the flow is put back afterwards; other servers are ended.
 */
export function setStage({ open, ...own }: StageOptions = {}): Stage {
  const { options = [], moves = false, prepare } = own;
  const isShared = Object.keys(own).length === 0;
  const stage: Partial<Stage> = {};
  const useBrowser = async (): Promise<void> => {
    stage.browser = await sharedBrowser.use();
  };
  const useServer = async (): Promise<void> => {
    if (isShared) {
      const { server, flow } = await sharedServer.use();
      stage.server = server;
      return server.deploy(flow, 'nodes');
    }
    stage.server = await Server.start(options, await prepare?.());
    await stage.server.ready();
    if (!moves) await stage.server.change('streamdiffusion-source', FEW_PICTURES, 'nodes');
  };
  sharedBrowser.expectOneMore();
  if (isShared) sharedServer.expectOneMore();
  before(async function () {
    if (!chromiumPath()) return this.skip();
    // Starting mostly means waiting, so both start at once. If one fails, the other is still ended.
    const starts = [useBrowser(), useServer()];
    await Promise.allSettled(starts);
    await Promise.all(starts);
    await open?.(stage as Stage);
  });
  after(async () => {
    // Whatever the pages leave open, the next stage begins without any.
    await Promise.all(stage.browser?.contexts().map((context) => context.close()) ?? []);
    await sharedBrowser.leave();
    if (!isShared) return void (await stage.server?.stop());
    const left = await sharedServer.leave();
    // It paints nothing until the next stage.
    await left?.server.deploy(changed(left.flow, 'streamdiffusion-source', { autostart: false }));
  });
  return stage as Stage;
}

/** A page, and the errors of its scripts and console, which whoever has checked them empties. */
export interface WatchedPage {
  page: Page;
  errors: string[];
}

export async function openPage(
  context: Browser | BrowserContext,
  address: string,
  viewport?: { width: number; height: number },
): Promise<WatchedPage> {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  if (viewport) await page.setViewportSize(viewport);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (line) => void (line.type() === 'error' && errors.push(line.text())));
  await page.goto(address);
  return { page, errors };
}

/** Watches an open page from before it loses its connection. @returns waits until the page has lost it and come back */
export async function comesBack(page: Page): Promise<() => Promise<void>> {
  await page.evaluate(() => {
    const { body } = document;
    let wasAway = false;
    new MutationObserver((_, observer) => {
      const isHere = body.classList.contains('here');
      if (isHere && wasAway) {
        observer.disconnect();
        body.dataset.cameBack = 'yes';
      }
      wasAway ||= !isHere;
    }).observe(body, { attributeFilter: ['class'] });
    delete body.dataset.cameBack;
  });
  return async () => {
    try {
      await page.waitForSelector('body[data-came-back]', { timeout: PATIENCE });
    } catch (thrown) {
      const state = await page.evaluate(() => `${document.body.className}: ${document.body.innerText.slice(0, 300)}`);
      throw new Error(`the page did not come back; it shows "${state}"`, { cause: thrown });
    }
  };
}

/** Keeps a screenshot of a page for people to look at, in the folder SCREENSHOTS or the system's folder for temporary files. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS ?? join(tmpdir(), 'streamdiffusion-screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
