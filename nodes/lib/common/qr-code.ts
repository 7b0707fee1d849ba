import { renderSVG } from 'uqr';

/** An address of this package, wherever Node-RED has its root. */
const ADDRESS = /^https?:\/\/[^\s/?#]+\/([^\s?#]*\/)?streamdiffusion\/[\w./-]*(\?[\w=&.-]*)?$/i;
const LONGEST = 300;

/** The QR code of a page's address as SVG; undefined for any other text, so that the server cannot be used for other codes. */
export function qrCode(address: string): string | undefined {
  if (address.length > LONGEST || !ADDRESS.test(address)) return undefined;
  // Readers need a border of four modules.
  return renderSVG(address, { ecc: 'M', border: 4 });
}
