import { renderSVG } from 'uqr';

/** An address of this package, wherever Node-RED has its root. */
const ADDRESS = /^https?:\/\/[^\s/?#]+\/([^\s?#]*\/)?streamdiffusion\/[\w./-]*(\?[\w=&.-]*)?$/i;
const LONGEST = 300;

/** The QR code of a page's address as SVG; undefined for any other text, so that the server makes no codes for other purposes. */
export function qrCode(address: string): string | undefined {
  if (address.length > LONGEST || !ADDRESS.test(address)) return undefined;
  // A border of four modules is what readers ask for.
  return renderSVG(address, { ecc: 'M', border: 4 });
}
