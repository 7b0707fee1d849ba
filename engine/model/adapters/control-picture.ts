import type { UnetRow } from '../unet/row';

/** Places whose outputs are kept: both sides of guidance at eight steps. A large net's output for one is 30 MB at 512×512. */
const PLACES_KEPT = 16;

/** A control picture, with the net's outputs for it where further frames are rendered from them. */
export class ControlPicture<R> {
  readonly kept = new Map<string, Promise<R>>();

  /**
   * @param pixels [3, H, W] in 0..1, at the stream's size
   * @param isShared whether several frames are rendered from it
   */
  constructor(
    readonly pixels: Float32Array,
    readonly isShared: boolean,
  ) {}

  /** The control picture of a row's frame. */
  static of<R>({ pictures }: UnetRow, adapter: string): ControlPicture<R> {
    return pictures?.[adapter] as ControlPicture<R>;
  }
}

/**
 * A net's output for every row. Rows at the same place of the same picture share the output of the first of them, in this run
 * or an earlier one.
 *
 * @param placeOf identifies a row's place; rows at different places do not share
 * @param compute runs the net for rows without an output yet
 */
export async function computedOnce<R>(
  rows: readonly UnetRow[],
  adapter: string,
  placeOf: (row: UnetRow) => string,
  compute: (rows: readonly UnetRow[]) => Promise<R[]>,
): Promise<R[]> {
  const fresh: UnetRow[] = [];
  const found = rows.map((row): Promise<R> | number => {
    const picture = ControlPicture.of<R>(row, adapter);
    const earlier = picture.kept.get(placeOf(row));
    if (earlier) return earlier;
    const isTwin = (other: UnetRow): boolean => ControlPicture.of(other, adapter) === picture && placeOf(other) === placeOf(row);
    const twin = picture.isShared ? fresh.findIndex(isTwin) : -1;
    return twin === -1 ? fresh.push(row) - 1 : twin;
  });
  const computing = fresh.length > 0 ? compute(fresh) : Promise.resolve([]);
  fresh.forEach((row, at) => {
    const { isShared, kept } = ControlPicture.of<R>(row, adapter);
    if (!isShared) return;
    const own = computing.then((all) => all[at]);
    kept.set(placeOf(row), own);
    const [oldest] = kept.keys();
    if (kept.size > PLACES_KEPT) kept.delete(oldest);
    // After a failure the next row tries again.
    own.catch(() => kept.delete(placeOf(row)));
  });
  const computed = await computing;
  return Promise.all(found.map((one) => (typeof one === 'number' ? computed[one] : one)));
}
