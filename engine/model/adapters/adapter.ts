import type { AdapterInfo, RawImage } from '../../types';

/** One adapter of a model. */
export interface Adapter extends AdapterInfo {
  /**
   * What is made once a frame of its picture, at the stream's size, for all rows of the frame: they keep it as
   * `row.pictures[name]`. Asked for of frames alone that have the picture and a weight other than 0. Default: the picture itself.
   */
  prepare?(picture: RawImage): Promise<unknown>;
}
