/** The messages to the process of a net that draws or judges pictures. They hold structured-clone values only. */
import type { Picture } from '../../image/picture';
import type { ClassifierSettings } from '../../net/picture/classifier';
import type { PictureNetSettings } from '../../net/picture/picture-net';

export type OpenRequest = { do: 'open'; settings: PictureNetSettings } | { do: 'open-classifier'; settings: ClassifierSettings };

export type PictureNetRequest =
  | OpenRequest
  /** Answered with 0 (fit for everybody) to 1. */
  | { do: 'score'; picture: Picture }
  | {
      do: 'draw';
      picture: Picture;
      /** The picture is reduced until its shorter side has at most this many pixels. */
      size: number;
      /** Whether a net that enlarges pictures enlarges this one. */
      isScaled: boolean;
      isInverted: boolean;
    };
