import { type NetFiles, netFile, netIn } from '../layouts';
import type { AdapterSource } from './adapter';

/** The net of an adapter that is a net: model.onnx in its folder, or the .onnx file itself. */
export async function netFileOf({ path, isFolder, reach }: AdapterSource): Promise<NetFiles | undefined> {
  if (isFolder) return netIn(path, reach);
  return path.endsWith('.onnx') ? netFile(path) : undefined;
}
