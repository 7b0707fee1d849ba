import { randn, type RawImage } from '../engine';

/** Draws a disc that moves over a gradient: a moving scene, or a still one if `time` stays the same. */
export function scene(size: number, time: number): RawImage {
  const data = new Uint8Array(size * size * 3);
  const [cx, cy] = [size * (0.5 + 0.3 * Math.sin(time)), size * (0.4 + 0.2 * Math.cos(1.3 * time))];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const inside = (x - cx) ** 2 + (y - cy) ** 2 < (size / 6) ** 2;
      const k = (y * size + x) * 3;
      data[k] = inside ? 250 : 40 + (150 * y) / size;
      data[k + 1] = inside ? 220 : 60 + (60 * x) / size;
      data[k + 2] = inside ? 120 : 160 - (100 * y) / size;
    }
  }
  return { data, width: size, height: size, channels: 3 };
}

/** A still scene as a camera sees it: every picture has different noise, with a standard deviation of two grey levels. */
export function noisyScene({ data, ...picture }: RawImage, frames: number): RawImage[] {
  const noise = randn([frames, data.length], 2).map((value) => 2 * value);
  return Array.from({ length: frames }, (_, k) => ({
    ...picture,
    data: Uint8Array.from(data, (value, i) => Math.min(255, Math.max(0, Math.round(value + noise[k * data.length + i])))),
  }));
}

export function movingScene(size: number, frames: number): RawImage[] {
  return Array.from({ length: frames }, (_, k) => scene(size, (k / frames) * 2 * Math.PI));
}
