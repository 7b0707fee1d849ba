import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** For {@link openBrowser}: a camera with a moving picture, which every page may use. */
export const FAKE_CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** A headless Chromium; undefined, and a line that says why, on a machine without one. */
export async function openBrowser(more: string[] = []): Promise<Browser | undefined> {
  const executablePath = PATHS.find((path) => path && existsSync(path));
  if (!executablePath) {
    console.log('    skipped: there is no Chromium; install it, or set CHROMIUM to its path');
    return undefined;
  }
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more];
  return chromium.launch({ executablePath, args });
}

/** Keeps what a page shows, for people to look at: in the folder SCREENSHOTS, or in the system's own for temporary files. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS ?? join(tmpdir(), 'streamdiffusion-screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
