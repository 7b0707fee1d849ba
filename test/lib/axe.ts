import type { Page } from 'playwright-core';

interface Finding {
  id: string;
  impact: string;
  nodes: { html: string; any: { message: string }[] }[];
}

/**
 * The serious or worse findings of axe-core, in words: fields without a name, contrast below 4.5:1 and the like.
 * @param selector of the part that is checked; by default the whole page
 */
export async function seriousFindings(page: Page, selector?: string): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.addScriptTag({ path: require.resolve('axe-core') });
  const { violations } = await page.evaluate(
    (part) =>
      (window as unknown as { axe: { run: (part: object) => Promise<{ violations: Finding[] }> } }).axe.run(
        // Node-RED catches browsers that fill in passwords with these fields, which no one sees.
        { include: [part ?? 'html'], exclude: [['[id^="red-ui-trap"]']] },
      ),
    selector,
  );
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, nodes }) => nodes.map(({ html, any }) => `${id}: ${html.slice(0, 200)} (${any[0]?.message ?? ''})`));
}

/**
 * Texts with less contrast than 4.5:1 between their colour and the nearest background that is not transparent. axe-core leaves
 * out elements that lie over others, such as a dialog over the flow.
 */
export function faintTexts(page: Page, selector: string): Promise<string[]> {
  return page.evaluate((part) => {
    const numbers = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
    const light = (colour: string): number => {
      const [r, g, b] = numbers(colour).map((value) =>
        value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const groundOf = (element: Element | null): string => {
      for (let at = element; at; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if ((numbers(backgroundColor)[3] ?? 1) > 0.9) return backgroundColor;
      }
      return 'rgb(255, 255, 255)';
    };
    const faint: string[] = [];
    for (const element of document.querySelectorAll<HTMLElement>(`${part} *`)) {
      const own = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ nodeValue }) => nodeValue?.trim());
      if (!own.some(Boolean) || element.offsetParent === null || element.closest(':disabled')) continue;
      const [a, b] = [light(getComputedStyle(element).color), light(groundOf(element))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5) faint.push(`${contrast.toFixed(2)}: ${own.join(' ').slice(0, 60)}`);
    }
    return faint;
  }, selector);
}
