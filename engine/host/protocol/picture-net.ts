/** What crosses the pipe to the process of a net from picture to picture. Structured-clone values only. */
import type { Picture } from '../../image/picture';
import type { PictureNetSettings } from '../../net/picture/picture-net';

export type PictureNetRequest =
  | { do: 'open'; settings: PictureNetSettings }
  | {
      do: 'draw';
      picture: Picture;
      /** The picture is reduced until its shorter side has at most so many pixels. */
      size: number;
      /** Whether a net that makes pictures larger makes this one larger. */
      isScaled: boolean;
      isInverted: boolean;
    };
