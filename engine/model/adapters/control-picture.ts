import type { UnetRow } from '../unet/row';

/** Both sides of eight steps. What a large net gives for one is 30 MB at 512×512. */
const PLACES_KEPT = 16;

/** A control picture, and what a net made of it where further frames are rendered from that. */
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

  /** That of a row's frame. */
  static of<R>({ pictures }: UnetRow, adapter: string): ControlPicture<R> {
    return pictures?.[adapter] as ControlPicture<R>;
  }
}

/**
 * What a net gives for every row. Rows at the same place of the same picture get what the first of them got, in this run or an
 * earlier one.
 *
 * @param placeOf what tells a row's place: those at another one are always computed
 * @param compute the net, for rows that have nothing yet
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
    // The next one tries again.
    own.catch(() => kept.delete(placeOf(row)));
  });
  const computed = await computing;
  return Promise.all(found.map((one) => (typeof one === 'number' ? computed[one] : one)));
}
