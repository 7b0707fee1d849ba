import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { Server } from './server';
import { PATIENCE } from './until';

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Arguments for {@link openBrowser}: a camera with a moving picture, which every page may use. */
export const FAKE_CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** Opens a headless Chromium; undefined, with a line that says why, on a machine without one. */
export async function openBrowser(more: string[] = []): Promise<Browser | undefined> {
  const executablePath = chromiumPath();
  if (!executablePath) return undefined;
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    ...more,
  ];
  return chromium.launch({ executablePath, args, timeout: PATIENCE });
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
  /** Further arguments of the browser. */
  browserArguments?: string[];
  /** Prepares what the server needs; what it returns is added to the server's environment. */
  prepare?: () => Promise<NodeJS.ProcessEnv>;
  /** Runs before the first test when both are ready. Another `before` would also run where the tests are skipped. */
  open?: (stage: Stage) => Promise<void>;
}

/** Starts both before the tests of this `describe`, which are skipped without a browser, and ends them afterwards. */
export function setStage({ options = [], browserArguments = [], prepare = () => Promise.resolve({}), open }: StageOptions = {}): Stage {
  const stage: Partial<Stage> = {};
  const openTheBrowser = async (): Promise<void> => {
    stage.browser = await openBrowser(browserArguments);
  };
  const startTheServer = async (): Promise<void> => {
    stage.server = await Server.start(options, await prepare());
    await stage.server.ready();
  };
  before(async function () {
    if (!chromiumPath()) return this.skip();
    // Starting mostly means waiting, so both start at once. If one fails, the other is still ended.
    const starts = [openTheBrowser(), startTheServer()];
    await Promise.allSettled(starts);
    await Promise.all(starts);
    await open?.(stage as Stage);
  });
  after(async () => {
    await stage.browser?.close();
    await stage.server?.stop();
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
