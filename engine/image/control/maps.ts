import type { RawImage } from '../../types';
import { adaptBackground, type Background, silhouette } from './background';
import { blurred, blurredImage } from './blur';
import { canny, softEdges } from './edges';
import { movement, type MovementState } from './movement';
import { inverted, luminance, type Plane, thresholded } from './plane';

export const CONTROL_MAPS = ['edges', 'soft-edges', 'luminance', 'threshold', 'blur', 'silhouette', 'movement'] as const;
export type ControlMapKind = (typeof CONTROL_MAPS)[number];

/** How a control map is made. Each kind reads the settings that concern it. */
export interface ControlMapSettings {
  kind: ControlMapKind;
  /** Swaps black and white. */
  invert: boolean;
  /** Standard deviation of a blur, pixels: before edge detection, of the whole picture, or of a silhouette's outline. */
  radius: number;
  /** The brightness from which a pixel is white; the least difference of a figure from the room, or of a moving pixel from itself. */
  threshold: number;
  /** Canny's two thresholds, 0..2040. */
  low: number;
  high: number;
  /** How many pixels a silhouette grows. */
  grow: number;
  /** The part of a movement's trail that stays from frame to frame, 0..1. */
  trail: number;
}

/** The state that a kind keeps from frame to frame. The room is learned once; movement changes with each frame. */
export type ControlMapState = Background | MovementState;

/** Default values for the kinds that use them. Those of the edges are the middle of the control branch's training range. */
export const USUAL_SETTINGS: Record<ControlMapKind, Omit<ControlMapSettings, 'kind' | 'invert'>> = (() => {
  const none = { radius: 0, threshold: 128, low: 70, high: 150, grow: 0, trail: 0.8 };
  return {
    edges: { ...none, radius: 1 },
    'soft-edges': none,
    luminance: none,
    threshold: none,
    blur: { ...none, radius: 8 },
    silhouette: { ...none, radius: 2, threshold: 24 },
    movement: { ...none, threshold: 8 },
  };
})();

export interface DrawnMap {
  map: Plane | RawImage;
  /** The state for the next frame, where it has changed. */
  state?: ControlMapState;
}

/**
 * Draws the control map of a picture, of the same size: one byte per pixel, in colours only for a blur.
 *
 * @param state of the last frame; a silhouette without a room of this size is black
 * @param adapt whether the room follows the light of this picture
 */
export function drawControlMap(image: RawImage, settings: ControlMapSettings, state?: ControlMapState, adapt = false): DrawnMap {
  const drawn = draw(image, settings, state, adapt);
  if (settings.invert) drawn.map = { ...drawn.map, data: inverted(drawn.map.data) };
  return drawn;
}

function draw(image: RawImage, settings: ControlMapSettings, state: ControlMapState | undefined, adapt: boolean): DrawnMap {
  const { width, height } = image;
  switch (settings.kind) {
    case 'edges':
      return { map: canny(blurred(luminance(image), settings.radius), settings.low, settings.high) };
    case 'soft-edges':
      return { map: softEdges(luminance(image)) };
    case 'luminance':
      return { map: luminance(image) };
    case 'threshold':
      return { map: thresholded(blurred(luminance(image), settings.radius), settings.threshold) };
    case 'blur':
      return { map: blurredImage(image, settings.radius) };
    case 'silhouette': {
      if (state?.width !== width || state.height !== height) return { map: { data: new Uint8Array(width * height), width, height } };
      const map = silhouette(image, state, settings);
      return { map, ...(adapt && { state: adaptBackground(state, image, map) }) };
    }
    case 'movement':
      return movement(image, state, settings);
  }
}
