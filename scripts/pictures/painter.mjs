import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { acquireHost, releaseHost } = require('../../dist/engine/host/client');
const { tIndexListOf } = require('../../dist/engine/diffusion/strength');

export const SIZE = 256;

/** Renders as the denoiser node does: through the engine's process, with settings named as in `msg.params`. */
export class Painter {
  host = acquireHost({ model: 'starter' });

  /**
   * Renders the frames of one stream, each after the previous one is finished.
   *
   * @param {object} settings of the stream; `strength` and `steps` stand for its `tIndexList`
   * @param {object[]} frames each `{ image?, mask?, conditioning }`
   * @returns {Promise<Buffer[]>} PNG files
   */
  async paint({ strength = 0.65, steps = 2, ...settings }, frames) {
    const stream = this.host.openStream({
      mode: 'img2img',
      width: SIZE,
      height: SIZE,
      tIndexList: tIndexListOf(strength, steps, 50),
      ...settings,
      format: 'png',
    });
    const pictures = [];
    const raw = (picture) => ({ kind: 'raw', ...picture });
    for (const { image, mask, conditioning } of frames) {
      const others = mask && { pictures: { mask: raw(mask) } };
      const result = await stream.submit({ conditioning, ...(image && { picture: raw(image) }), ...others });
      if (result.outcome !== 'finished') throw new Error('a frame was left out');
      pictures.push(Buffer.from(result.data));
    }
    await stream.close();
    return pictures;
  }

  /** Renders one frame in a stream of its own. */
  async one(settings, image, conditioning) {
    const [picture] = await this.paint(settings, [{ image, conditioning }]);
    return picture;
  }

  close() {
    return releaseHost(this.host);
  }
}

/** @returns a conditioning as the prompt encoder sends it */
export const under = (prompt, more = {}) => ({ prompt: typeof prompt === 'string' ? [{ text: prompt, weight: 1 }] : prompt, ...more });
