import { type ClaimPort, inputNamed, kept, portPerRow } from './port';

/** Fills SDXL's sizes of the picture before and after cropping, here without cropping: [H, W, 0, 0, H, W] in pixels for every row. */
export const timeIds: ClaimPort = (unet) => {
  const info = inputNamed(unet, 'time_ids');
  if (!info) return undefined;
  const port = portPerRow(info, (_row, { height, width }) => {
    const [H, W] = [height * unet.factor, width * unet.factor];
    return Float32Array.of(H, W, 0, 0, H, W);
  });
  return {
    ...port,
    fill: kept(
      ({ height, width }) => [height, width],
      (run) => port.fill(run),
    ),
  };
};
