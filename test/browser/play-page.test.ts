import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { seriousFindings } from '../lib/axe';
import { comesBack, keepScreenshot, openPage, setStage, type WatchedPage } from '../lib/browser';
import { addMidi, type MidiInput, playMidi } from '../lib/midi';
import { textsOf } from '../lib/pages';
import { isPressed, settles } from '../lib/play-hands';
import { PATIENCE } from '../lib/until';

/** Of the example's flow. */
const STEPS = 2;
/** Pictures on their way to a page at most: one that travels while the other is drawn. */
const ON_THE_WAY = 2;

const shownIn = (page: Page, id: string): Promise<number> => page.$eval(`#${id}`, (input) => Number((input as HTMLInputElement).value));

describe('performance page', () => {
  const stage = setStage({ options: ['--example', '17'] });
  const open = async (viewport = { width: 1366, height: 768 }, query = ''): Promise<WatchedPage> => {
    const opened = await openPage(stage.browser, `${stage.server.address}/streamdiffusion/stage/play${query}`, viewport);
    await opened.page.waitForSelector('body.here', { timeout: PATIENCE });
    await opened.page.waitForFunction(() => (document.getElementById('prompt') as HTMLTextAreaElement).value !== '', undefined, {
      timeout: PATIENCE,
    });
    return opened;
  };

  it('shows what is painted: prompt, words and settings of the flow', async () => {
    const { page, errors } = await open();
    assert.equal(await page.inputValue('#prompt'), 'sunset over the sea');
    await settles(page, 'knob-strength', 0.5);
    await settles(page, 'knob-steps', STEPS);
    await page.waitForSelector('.chip[data-kind="known"]', { timeout: PATIENCE });
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('says that the first picture is waited for, until it is there', async () => {
    const { page, errors } = await open();
    await page.waitForSelector('.frame .empty', { state: 'hidden', timeout: PATIENCE });
    // The socket of the pictures, which brings none now; the page's own is at stage/play.
    await page.routeWebSocket(/\/streamdiffusion\/stage(\?|$)/, () => undefined);
    await page.reload();
    await page.waitForSelector('.frame .empty:text-is("waiting for the first picture")', { timeout: PATIENCE });
    assert.deepEqual(errors, []);
    await page.close();
  });

  it(`changes the picture within n + 1 ticks of the press`, async () => {
    const { page, errors } = await open();
    const colours = (): Promise<number[]> =>
      page.evaluate(() => {
        const small = document.createElement('canvas');
        small.width = small.height = 4;
        const context = small.getContext('2d')!;
        context.drawImage(document.querySelector('canvas')!, 0, 0, 4, 4);
        return [...context.getImageData(0, 0, 4, 4).data];
      });
    await page.waitForFunction(() => document.querySelector('canvas')!.width > 1, undefined, { timeout: PATIENCE });
    // No transition: how soon the first changed picture comes is asked.
    const back = await comesBack(page);
    await stage.server.change('streamdiffusion-prompt', { transition: '0' });
    await back();
    await settles(page, 'knob-strength', 0.5);
    // While it was deployed the page was away, and browsers tell of every request that failed.
    errors.length = 0;
    const before = await colours();
    await page.evaluate((old) => {
      const watch = { pictures: 0, changedAfter: -1, ms: 0 };
      Object.assign(window, { watch });
      const field = document.getElementById('prompt') as HTMLTextAreaElement;
      field.value = 'night, aurora, snow';
      const began = performance.now();
      document.getElementById('apply')!.click();
      addEventListener('picture', () => {
        watch.pictures++;
        const small = document.createElement('canvas');
        small.width = small.height = 4;
        const context = small.getContext('2d')!;
        context.drawImage(document.querySelector('canvas')!, 0, 0, 4, 4);
        const now = [...context.getImageData(0, 0, 4, 4).data];
        const difference = now.reduce((sum, value, k) => sum + Math.abs(value - old[k]), 0) / now.length;
        if (difference > 30 && watch.changedAfter < 0)
          Object.assign(watch, { changedAfter: watch.pictures, ms: performance.now() - began });
      });
    }, before);
    interface Watch {
      changedAfter: number;
      ms: number;
    }
    await page.waitForFunction(() => (window as unknown as { watch: Watch }).watch.changedAfter >= 0, undefined, { timeout: PATIENCE });
    const { changedAfter, ms } = await page.evaluate(() => (window as unknown as { watch: Watch }).watch);
    console.log(`      the picture changed ${changedAfter} pictures and ${Math.round(ms)} ms after the press`);
    assert.ok(changedAfter <= STEPS + 1 + ON_THE_WAY, `after ${changedAfter} pictures`);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('keeps two pages in step, whoever moves what, and what the flow itself changes', async () => {
    const [first, second] = [await open(), await open({ width: 820, height: 1180 })];
    await first.page.fill('#knob-strength', '0.8');
    await settles(second.page, 'knob-strength', 0.8);
    await second.page.fill('#knob-strength', '0.3');
    await settles(first.page, 'knob-strength', 0.3);
    // Both at once: whoever was last has it on both.
    await Promise.all([first.page.fill('#knob-feedback', '0.2'), second.page.fill('#knob-feedback', '0.4')]);
    const both = (): Promise<number[]> => Promise.all([first, second].map(({ page }) => shownIn(page, 'knob-feedback')));
    let [here, there] = await both();
    for (const end = performance.now() + PATIENCE; here !== there; [here, there] = await both()) {
      assert.ok(performance.now() < end, `${here} here, and ${there} there`);
      await first.page.waitForTimeout(50);
    }
    await first.page.fill('#knob-feedback', '0');
    await second.page.fill('#prompt', 'castle on a hill');
    await second.page.press('#prompt', 'Enter');
    await first.page.waitForFunction(
      () => (document.getElementById('prompt') as HTMLTextAreaElement).value === 'castle on a hill',
      undefined,
      {
        timeout: PATIENCE,
      },
    );
    await first.page.click('#black');
    await isPressed(second.page, 'black', true);
    await second.page.click('#black');
    await isPressed(first.page, 'black', false);
    assert.deepEqual([...first.errors, ...second.errors], []);
    await Promise.all([first.page.close(), second.page.close()]);
  });

  it('saves scenes and plays them, by pads and by keys', async () => {
    const { page, errors } = await open();
    // A scene takes the picture that is shown.
    await page.waitForFunction(() => document.documentElement.style.getPropertyValue('--ratio'), undefined, { timeout: PATIENCE });
    await page.fill('#prompt', 'snowy forest');
    await page.press('#prompt', 'Enter');
    await page.fill('#knob-strength', '0.6');
    await page.click('#save');
    await page.click('.pad >> nth=0');
    await page.waitForSelector('.pad:not(.empty) >> nth=0', { timeout: PATIENCE });
    assert.match(await page.$eval('.pad', (pad) => (pad as HTMLElement).style.backgroundImage), /data:image\/jpeg/);
    await page.fill('#prompt', 'desert');
    await page.press('#prompt', 'Enter');
    await page.fill('#knob-strength', '0.4');
    await page.locator('#knob-strength').blur();
    await page.keyboard.press('Shift+Digit2');
    await page.waitForFunction(() => document.querySelectorAll('.pad:not(.empty)').length === 2, undefined, { timeout: PATIENCE });
    await keepScreenshot(page, 'play-scenes');
    await page.keyboard.press('Digit1');
    await settles(page, 'knob-strength', 0.6);
    await page.waitForFunction(() => (document.getElementById('prompt') as HTMLTextAreaElement).value === 'snowy forest');
    await page.click('.pad >> nth=1');
    await settles(page, 'knob-strength', 0.4);
    // On the beat: it waits, though not for long.
    await page.evaluate(() => {
      // A hand that taps in time, however late a busy machine is.
      const taps = [600, 300, 0].map((before) => performance.now() - before);
      for (const time of taps) {
        performance.now = () => time;
        dispatchEvent(new KeyboardEvent('keydown', { code: 'KeyT' }));
      }
      delete (performance as Partial<Performance>).now;
    });
    assert.equal(await page.innerText('#tempo'), '200');
    await page.click('#onBeat');
    await page.keyboard.press('Digit1');
    await settles(page, 'knob-strength', 0.6);
    // Keys are letters while one writes.
    await page.focus('#prompt');
    await page.keyboard.type('b2');
    await page.keyboard.press('Escape');
    assert.equal(await page.getAttribute('#black', 'aria-pressed'), 'false');
    await page.keyboard.press('KeyP');
    await isPressed(page, 'freeze', true);
    await page.keyboard.press('KeyP');
    await isPressed(page, 'freeze', false);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('keeps the order of what hands do at once: a knob and a pad in one moment', async () => {
    const { page, errors } = await open();
    await page.waitForFunction(() => document.querySelectorAll('.pad:not(.empty)').length === 2, undefined, { timeout: PATIENCE });
    // Two hands, or a MIDI device, are faster than settings are sent.
    await page.evaluate(() => {
      const knob = document.getElementById('knob-strength') as HTMLInputElement;
      const turn = (value: string): void => {
        knob.value = value;
        knob.dispatchEvent(new Event('input'));
      };
      const pad = (key: string, shiftKey = false): boolean => dispatchEvent(new KeyboardEvent('keydown', { code: key, shiftKey }));
      turn('0.7');
      turn('0.35');
      pad('Digit3', true);
      turn('0.9');
      pad('Digit1');
    });
    await page.waitForFunction(() => document.querySelectorAll('.pad:not(.empty)').length === 3, undefined, { timeout: PATIENCE });
    await settles(page, 'knob-strength', 0.6);
    await page.keyboard.press('Digit3');
    await settles(page, 'knob-strength', 0.35);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('learns knobs and pads of a MIDI device, and keys, and knows them again', async () => {
    const context = await stage.browser.newContext();
    const page = await context.newPage();
    await addMidi(page);
    const address = `${stage.server.address}/streamdiffusion/stage/play`;
    const load = async (): Promise<void> => {
      await page.goto(address);
      await page.waitForSelector('body.here', { timeout: PATIENCE });
    };
    await load();
    await page.click('#learn');
    await page.click('[data-target="knob strength"]');
    await playMidi(page, 0xb0, 21, 64);
    await page.click('[data-target="black"]');
    await playMidi(page, 0x90, 36, 100);
    await page.click('[data-target="freeze"]');
    await page.keyboard.press('KeyQ');
    assert.equal(await page.getAttribute('#black', 'aria-pressed'), 'false', 'a click that chooses does nothing else');
    assert.equal(await page.getAttribute('[data-target="knob strength"] label', 'data-bound'), 'CC 21');
    await keepScreenshot(page, 'play-learning');
    await page.keyboard.press('Escape');
    await playMidi(page, 0xb0, 21, 127);
    await settles(page, 'knob-strength', 1);
    await load();
    await page.click('#learn');
    await page.click('#learn');
    await playMidi(page, 0xb0, 21, 0);
    await settles(page, 'knob-strength', 0);
    await playMidi(page, 0x90, 36, 100);
    await isPressed(page, 'black', true);
    await playMidi(page, 0x90, 36, 100);
    await isPressed(page, 'black', false);
    await page.keyboard.press('KeyQ');
    await isPressed(page, 'freeze', true);
    await page.keyboard.press('KeyQ');
    await isPressed(page, 'freeze', false);
    // A clock of 120 beats a minute, whose ticks no busy machine holds up.
    await page.evaluate(() => {
      const { midi } = window as unknown as { midi: MidiInput };
      let now = performance.now();
      performance.now = () => now;
      for (let sent = 0; sent <= 100; sent++, now += 500 / 24) midi.onmidimessage?.({ data: [0xf8] });
      delete (performance as Partial<Performance>).now;
    });
    assert.equal(await page.innerText('#tempo'), '120');
    await context.close();
  });

  it('fades the live page to black and back', async () => {
    const { page: live } = await openPage(stage.browser, `${stage.server.address}/streamdiffusion/stage`);
    await live.waitForSelector('canvas.live', { timeout: PATIENCE });
    const { page } = await open();
    await page.click('#black');
    await live.waitForFunction(() => getComputedStyle(document.querySelector('canvas')!).opacity === '0', undefined, { timeout: PATIENCE });
    // Also one that is opened meanwhile.
    const { page: late } = await openPage(stage.browser, `${stage.server.address}/streamdiffusion/stage`);
    await late.waitForSelector('canvas.black', { timeout: PATIENCE, state: 'attached' });
    await late.waitForFunction(() => getComputedStyle(document.querySelector('canvas')!).opacity === '0', undefined, { timeout: PATIENCE });
    await page.click('#black');
    await live.waitForFunction(() => getComputedStyle(document.querySelector('canvas')!).opacity === '1', undefined, { timeout: PATIENCE });
    await Promise.all([page.close(), live.close(), late.close()]);
  });

  for (const [language, locale] of Object.entries({ en: 'en-GB', de: 'de-AT', ja: 'ja-JP', zh: 'zh-CN' })) {
    it(`speaks ${language}, and fits a laptop, a tablet and a phone`, async () => {
      const texts = textsOf(language);
      const context = await stage.browser.newContext({ locale });
      const { page, errors } = await openPage(context, `${stage.server.address}/streamdiffusion/stage/play`);
      await page.waitForSelector('body.here', { timeout: PATIENCE });
      await page.waitForSelector('.chip', { timeout: PATIENCE, state: 'attached' });
      assert.ok((await page.innerText('#black')).includes(texts.blackout));
      for (const [width, height] of [
        [1366, 768],
        [820, 1180],
        [390, 844],
      ]) {
        await page.setViewportSize({ width, height });
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${overflow} pixels to the side at ${width}`);
        if (width === 1366) {
          const hidden = await page.$eval('#desk', (desk) => desk.scrollHeight - desk.clientHeight);
          assert.ok(hidden <= 0, `all controls are in view, ${hidden} pixels are not`);
        }
        assert.deepEqual(await seriousFindings(page), []);
        await keepScreenshot(page, `play-${language}-${width}`);
      }
      assert.deepEqual(errors, []);
      await context.close();
    });
  }
});
