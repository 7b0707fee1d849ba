import { field, fieldsOf, message } from './protobuf';

/** A kind of message in onnx.proto: those of its fields that can name files, by their numbers. */
export interface Places {
  [field: number]: Places;
}

export const TENSOR: Places = {};
export const SPARSE: Places = { 1: TENSOR, 2: TENSOR };
export const ATTRIBUTE: Places = { 5: TENSOR, 10: TENSOR, 22: SPARSE, 23: SPARSE };
export const NODE: Places = { 5: ATTRIBUTE };
export const GRAPH: Places = { 1: NODE, 5: TENSOR, 15: SPARSE };
export const FUNCTION: Places = { 7: NODE };
export const TRAINING: Places = { 1: GRAPH, 2: GRAPH };
export const MODEL: Places = { 7: GRAPH, 20: TRAINING, 25: FUNCTION };
// The body of an If or a Loop is an attribute that holds a graph.
Object.assign(ATTRIBUTE, { 6: GRAPH, 11: GRAPH });

/** TensorProto { external_data 13 { key 1, value 2 } }: the file that an entry names, if it names one. */
function locationIn(entry: Buffer): string | undefined {
  const [key, value] = fieldsOf(entry).map(({ bytes }) => bytes.toString('utf8'));
  return key === 'location' ? value : undefined;
}

/** The files that a message takes values from, wherever it names one. */
export function locationsIn(bytes: Buffer, places: Places): string[] {
  return fieldsOf(bytes).flatMap((part) => {
    if (places === TENSOR && part.number === 13) return locationIn(part.bytes) ?? [];
    return places[part.number] ? locationsIn(part.bytes, places[part.number]) : [];
  });
}

/**
 * The message with the files that it takes values from renamed, wherever it names one; the same message where it names
 * none of them.
 *
 * @param names the new names, by the old ones
 */
export function relocated(bytes: Buffer, places: Places, names: ReadonlyMap<string, string>): Buffer {
  let isChanged = false;
  const parts = fieldsOf(bytes).map((part) => {
    const changed = changedPart(part.number, part.bytes, places, names);
    isChanged ||= changed !== undefined;
    return changed ? field(part.number, changed) : part.encoded;
  });
  return isChanged ? message(...parts) : bytes;
}

function changedPart(number: number, bytes: Buffer, places: Places, names: ReadonlyMap<string, string>): Buffer | undefined {
  if (places === TENSOR && number === 13) {
    const location = locationIn(bytes);
    const name = location === undefined ? undefined : names.get(location);
    return name === undefined ? undefined : message(field(1, 'location'), field(2, name));
  }
  if (!places[number]) return undefined;
  const changed = relocated(bytes, places[number], names);
  return changed === bytes ? undefined : changed;
}
