import type { Page } from 'playwright-core';
import { PATIENCE } from './until';

/** Waits until a knob of a performance page stands at a value. */
export const settles = (page: Page, id: string, value: number): Promise<unknown> =>
  page.waitForFunction(
    ([name, wanted]) => Number((document.getElementById(String(name)) as HTMLInputElement).value) === wanted,
    [id, value] as const,
    { timeout: PATIENCE },
  );

/** Waits until a button of a performance page is pressed, or is not. */
export const isPressed = (page: Page, id: string, wanted: boolean): Promise<unknown> =>
  page.waitForFunction(
    ([name, pressed]) => document.getElementById(String(name))!.getAttribute('aria-pressed') === String(pressed),
    [id, wanted] as const,
    { timeout: PATIENCE },
  );
