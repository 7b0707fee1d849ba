import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** A headless Chromium; undefined, and a line that says why, on a machine without one. */
export async function openBrowser(): Promise<Browser | undefined> {
  const executablePath = PATHS.find((path) => path && existsSync(path));
  if (!executablePath) {
    console.log('    skipped: there is no Chromium; install it, or set CHROMIUM to its path');
    return undefined;
  }
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({ executablePath, args });
}
