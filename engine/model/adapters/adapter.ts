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

/** A file or folder that may be an adapter, with its name. */
export interface AdapterSource {
  name: string;
  /** An existing path without links. */
  path: string;
  isFolder: boolean;
  /** The folders that its files may be in. */
  reach: Reach;
  /** The model's folder, and the headers of its nets, which are not opened. */
  files: ModelFiles;
  headers: Headers;
}

/** An adapter, read from its file as far as is needed to open the model with it. */
export interface Adapter extends AdapterInfo {
  /** Its own nets, opened beside those of the model: `controlnet/NAME`. */
  readonly nets?: PerRole<NetFiles>;
  /** The headers of those whose graph is edited before they are opened. */
  readonly heads?: Headers;
  /** The variant of its kind, for people. */
  readonly variant?: string;
  /**
   * Prepares its picture of a frame, at the stream's size, once for all rows of the frame, which get it as `row.pictures[name]`.
   * Only called for frames that have the picture and a weight other than 0. Default: the picture itself.
   *
   * @param frames the number of successive frames that may be rendered from it
   */
  prepare?(picture: RawImage, nets: Nets, frames: number): Promise<unknown>;
  /** Whether its net is computed with every frame in any case, so that sharing a picture among frames saves nothing. */
  readonly isAlwaysComputed?: true;
  /** The side of the square that a picture of a prompt is cropped to, pixels. */
  promptSize?: number;
  /** Encodes such a picture, at that size. */
  encodePrompt?(picture: RawImage, nets: Nets): Promise<PicturePrompt>;
}

/**
 * A kind of adapter: one source file, listed in ADAPTER_KINDS. It defines how files of its kind are recognised, what they
 * change in the graphs of the model, and which inputs of the UNet they fill.
 *
 * An adapter whose weight is 0 on all rows of a run costs nothing in that run.
 */
export interface AdapterKind<A extends Adapter = Adapter> {
  readonly kind: string;
  /**
   * Reads a file or folder, without opening a net.
   *
   * @returns undefined for one of another kind
   * @throws EBADMODEL for one of this kind that cannot be used, at all or with this model
   */
  open(source: AdapterSource): Promise<A | undefined>;
  /**
   * The adapters that are part of a model's own nets, and so always present.
   *
   * @param opened the adapters of this kind from files, which may complete one in the nets
   */
  inModel?(headers: Headers, opened: readonly A[]): readonly A[];
  /**
   * The edits of all adapters of this kind to a net of the model, applied after the edits that make it faster and after the kinds
   * before this one. Ports see the inputs that these add.
   *
   * @param executionProvider such as `cpu` or `cuda:1`
   */
  patches?(net: NetName, adapters: readonly A[], executionProvider: string): readonly GraphPatch[];
  /** The ports for the UNet's inputs of this kind. Also called without adapters, since exports may have such inputs. */
  ports?(adapters: readonly A[], nets: Nets): readonly ClaimPort[];
}
