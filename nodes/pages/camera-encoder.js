'use strict';

/**
 * Runs in a worker of the camera page: crops a picture to fill a size, mirrored or not, and encodes it as JPEG. On the page
 * itself browsers defer encoding until they are idle, which may take a second while a video plays; a worker encodes at once.
 *
 * Takes `{ picture: VideoFrame | ImageBitmap, width, height, mirror }` and answers with the bytes, or nothing if that failed.
 */
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext('2d', { alpha: false });

self.onmessage = async ({ data: { picture, width, height, mirror } }) => {
  try {
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const [w, h] = [picture.displayWidth ?? picture.width, picture.displayHeight ?? picture.height];
    const scale = Math.max(width / w, height / h);
    context.imageSmoothingQuality = 'medium';
    context.setTransform(mirror ? -scale : scale, 0, 0, scale, width / 2, height / 2);
    context.drawImage(picture, -w / 2, -h / 2, w, h);
    picture.close();
    const jpeg = await (await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.85 })).arrayBuffer();
    postMessage(jpeg, [jpeg]);
  } catch {
    picture.close();
    postMessage(undefined);
  }
};
