import type { Net } from '../../net/net';
import type { GraphPatch } from '../../net/onnx/patches/patch';
import type { PicturePrompt } from '../../prompt/prompt-embeds';
import type { AdapterInfo, RawImage } from '../../types';
import type { ModelFiles } from '../files';
import type { Headers } from '../headers';
import type { NetFiles } from '../layouts';
import type { Reach } from '../reach';
import type { NetName, PerRole } from '../roles';
import type { ClaimPort } from '../unet/ports/port';

/** The nets of a model and of its adapters. */
export type Nets = PerRole<Net>;

/** A file or folder that is to steer a model, under a name. */
export interface AdapterSource {
  name: string;
  /** Without links. It is there. */
  path: string;
  isFolder: boolean;
  /** Where its own files may lie. */
  reach: Reach;
  /** The model's folder, and its nets, which are looked at, not opened. */
  files: ModelFiles;
  headers: Headers;
}

/** One adapter, read from its file as far as is needed to open the model with it. */
export interface Adapter extends AdapterInfo {
  /** Nets of its own, opened beside those of the model: `controlnet/NAME`. */
  readonly nets?: PerRole<NetFiles>;
  /** Heads of those of them whose graph is changed before they are opened. */
  readonly heads?: Headers;
  /** Which of several of its kind it is, for people. */
  readonly variant?: string;
  /**
   * What is made once a frame of its picture, at the stream's size, for all rows of the frame: they keep it as
   * `row.pictures[name]`. Asked for of frames alone that have the picture and a weight other than 0. Default: the picture itself.
   *
   * @param frames so many may be rendered from it, one after the other
   */
  prepare?(picture: RawImage, nets: Nets, frames: number): Promise<unknown>;
  /** Whether its net is computed with every frame in any case: leaving it out now and then would save nothing. */
  readonly isAlwaysComputed?: true;
  /** Pixels of the side of the square to which a picture that comes with a prompt is cropped. */
  promptSize?: number;
  /** What becomes of such a picture, at that size. */
  encodePrompt?(picture: RawImage, nets: Nets): Promise<PicturePrompt>;
}

/**
 * A kind of adapter: one file, entered in ADAPTER_KINDS. It says how such files are recognised, what they change in the
 * graphs of the model, and which inputs of the UNet they fill.
 *
 * Where the weight of an adapter is 0 on all rows of a run, it costs nothing there.
 */
export interface AdapterKind<A extends Adapter = Adapter> {
  readonly kind: string;
  /**
   * Reads a file or folder. It looks, and opens no net.
   *
   * @returns undefined for one of another kind
   * @throws EBADMODEL for one of this kind that cannot be used, or not with this model
   */
  open(source: AdapterSource): Promise<A | undefined>;
  /**
   * Those that a model has in its own nets: they are there unasked.
   *
   * @param opened those of this kind that files hold, which may be what one in the nets lacks
   */
  inModel?(headers: Headers, opened: readonly A[]): readonly A[];
  /**
   * What all adapters of this kind change in a net of the model, after whatever makes it faster and after the kinds before
   * this one. Ports see the inputs that this adds.
   *
   * @param executionProvider such as `cpu` or `cuda:1`
   */
  patches?(net: NetName, adapters: readonly A[], executionProvider: string): readonly GraphPatch[];
  /** What fills the UNet's inputs of this kind; asked without adapters as well, since exports may have such inputs. */
  ports?(adapters: readonly A[], nets: Nets): readonly ClaimPort[];
}
