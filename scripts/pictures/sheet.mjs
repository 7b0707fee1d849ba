import { chromium } from 'playwright-core';
import sharp from 'sharp';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update'];

/**
 * @param {string[]} more arguments
 * @returns {Promise<import('playwright-core').Browser>}
 */
export const openChromium = (more = []) =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: [...ARGUMENTS, ...more] });

const STYLE = `
  body { margin: 0; background: #fff; font: 13px/1.35 "Helvetica Neue", Arial, sans-serif; color: #333; }
  table { border-spacing: 4px; }
  th { font-weight: normal; text-align: center; color: #555; padding: 1px 2px; }
  th[scope=row] { text-align: right; padding-right: 6px; white-space: pre-line; }
  td { padding: 0; text-align: center; vertical-align: top; }
  img { display: block; border-radius: 3px; }
  .faint img { opacity: .18; }
  figcaption { padding: 3px 2px 6px; color: #555; font-size: 12px; }
  figure { margin: 0; }`;

/**
 * Makes a sheet of pictures with words: a heading above each column and before each row.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {{ heads: string[], rows: { name: string, cells: (Cell | undefined)[] }[], shown: number, file: string }} sheet
 *   each cell is a picture (an encoded file), with `words` below it, and `faint` if it is shown translucent; `shown` is its width in pixels
 * @typedef {{ picture: Buffer, faint?: boolean, words?: string }} Cell
 */
export async function makeSheet(browser, { heads, rows, shown, file }) {
  const cell = (one) => {
    if (!one) return '<td></td>';
    const source = `data:image/png;base64,${one.picture.toString('base64')}`;
    const words = one.words ? `<figcaption style="max-width: ${shown}px">${one.words}</figcaption>` : '';
    return `<td class="${one.faint ? 'faint' : ''}"><figure><img width="${shown}" height="${shown}" src="${source}">${words}</figure></td>`;
  };
  const hasNames = rows.some(({ name }) => name);
  const line = (name, cells) => `<tr>${hasNames ? `<th scope="row">${name}</th>` : ''}${cells}</tr>`;
  const head = heads.length > 0 ? line('', heads.map((text) => `<th>${text}</th>`).join('')) : '';
  const page = await browser.newPage({ viewport: { width: 1400, height: 400 } });
  try {
    await page.setContent(
      `<style>${STYLE}</style><table>${head}${rows.map(({ name, cells }) => line(name, cells.map(cell).join(''))).join('')}</table>`,
    );
    const png = await page.locator('table').screenshot();
    await sharp(png).webp({ quality: 78, effort: 6, smartSubsample: true }).toFile(file);
  } finally {
    await page.close();
  }
}
