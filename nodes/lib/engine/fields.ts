import { stat } from 'node:fs/promises';
import { isAbsolute, normalize } from 'node:path';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { EngineError } from '../../../engine/errors';
import { AUTOMATIC, isAutomatic } from '../../../engine/host/client';
import type { HostSettings } from '../../../engine/host/protocol/messages';
import { serverPrefix } from '../../../engine/model/server-nets';
import { printable, quote } from '../../../engine/util/quote';
import { type AdapterField, readAdapters } from './adapter-fields';
import { readServerFields, type ServerCredentials, type ServerFields } from './server-fields';
import { isEmpty, readOptionalNumber } from '../common/fields';

/** The fields of the engine's dialog. */
export interface EngineDef extends NodeDef, ServerFields {
  /** A folder, or the name of an environment variable that holds one; unused with the embedded model. */
  model?: string;
  modelType?: 'starter' | 'str' | 'env';
  /** A folder whose autoencoder replaces the model's. Default: none. */
  autoencoder?: string;
  /** ONNX Runtime's names in order of preference, separated by commas, or `automatic`. Default `cpu`, for flows without this field. */
  executionProviders?: string;
  /** Whether nets that can compute in int8 do. Default `auto`: where that is exact and measured to be faster. */
  int8?: 'auto' | 'on' | 'off';
  /** 0 leaves it to ONNX Runtime. */
  threads?: string | number;
  /** The number of the graphics card, for providers that can choose one. */
  device?: string | number;
  /** The most memory of the engine's process, MiB; 0 stands for three quarters of the machine's. */
  memoryLimit?: string | number;
  /** The adapters: names and paths. */
  adapters?: AdapterField[];
  /** Seconds without progress after which the engine's process is replaced. Default 120. */
  hangLimit?: string | number;
}

/** Providers that can be told which card to use. */
const WITH_DEVICE = [AUTOMATIC, 'cuda', 'tensorrt', 'dml', 'rocm', 'migraphx'];

/** @throws EBADPARAM */
export function readEngineFields(RED: NodeAPI, node: Node<ServerCredentials>, def: EngineDef): HostSettings {
  const memory = readOptionalNumber(def.memoryLimit, 'memoryLimit', 0, { min: 0, max: 1_048_576, integer: true });
  const hang = readOptionalNumber(def.hangLimit, 'hangLimit', 120, { min: 1, max: 3600 });
  const adapters = readAdapters(def.adapters);
  const server = readServerFields(def, node.credentials ?? {});
  return {
    model: readModel(RED, node, def.model, def.modelType),
    ...readAutoencoder(def.autoencoder),
    ...readEngineSettings(def),
    ...(memory > 0 && { memoryLimit: memory * 1024 ** 2 }),
    ...(server && { server }),
    ...(adapters && { adapters }),
    ...(hang !== 120 && { stallLimit: hang * 1000 }),
  };
}

/**
 * Reads where and how nets compute.
 *
 * @throws EBADPARAM
 */
export function readEngineSettings(
  def: Pick<EngineDef, 'executionProviders' | 'device' | 'int8' | 'threads'>,
): Pick<HostSettings, 'executionProviders' | 'intraOpNumThreads' | 'int8'> {
  const threads = readOptionalNumber(def.threads, 'threads', 0, { min: 0, max: 1024, integer: true });
  return {
    executionProviders: readProviders(def.executionProviders, def.device),
    ...readInt8(def.int8),
    ...(threads > 0 && { intraOpNumThreads: threads }),
  };
}

/** @throws EBADPARAM */
export function readAutoencoder(folder: unknown): Pick<HostSettings, 'autoencoder'> {
  const text = typeof folder === 'string' ? folder.trim() : folder;
  if (isEmpty(text)) return {};
  if (typeof text === 'string') return { autoencoder: text };
  throw new EngineError('EBADPARAM', `autoencoder must be the path of a folder; got ${quote(folder)}`);
}

/** @throws EBADPARAM */
function readInt8(wish: unknown = 'auto'): Pick<HostSettings, 'int8'> {
  if (wish === 'auto' || wish === '') return {};
  if (wish === 'on' || wish === 'off') return { int8: wish === 'on' };
  throw new EngineError('EBADPARAM', `int8 must be auto, on or off; got ${quote(wish)}`);
}

/**
 * The model of a typed field: `'starter'`, or a folder.
 *
 * @param node for environment variables of its flow or group; null for the process's own only
 * @throws EBADPARAM
 */
export function readModel(RED: NodeAPI, node: Node | null, value: string | undefined, type: EngineDef['modelType'] = 'starter'): string {
  if (type === 'starter') return 'starter';
  const folder: unknown = type === 'env' ? RED.util.evaluateNodeProperty(value ?? '', 'env', node as Node, {}) : value;
  if (typeof folder === 'string' && folder.trim() !== '') return folder.trim();
  const what =
    type === 'env'
      ? `the environment variable ${printable(value || '(no name)', 60)} is not set`
      : 'the field for the model folder is empty';
  throw new EngineError('EBADPARAM', `${what}; it should name a folder with a model, or choose the embedded one`);
}

/** The model in a dialog. */
export interface AskedModel {
  folder: string;
  /** Removes the value of an environment variable from a text. */
  shown: (text: string) => string;
}

/**
 * The model that a dialog names. Of an environment variable the dialog only learns whether it is set and names a folder, since
 * any other variable may hold a secret.
 *
 * Rejects with EBADPARAM.
 */
export async function readAskedModel(
  RED: NodeAPI,
  node: Node | null,
  value: string | undefined,
  type: EngineDef['modelType'],
): Promise<AskedModel> {
  const folder = readModel(RED, node, value, type);
  if (type !== 'env') return { folder, shown: (text) => text };
  const name = `\${${printable(value ?? '', 60)}}`;
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isAbsolute(folder) || !isFolder)
    throw new EngineError(
      'EBADPARAM',
      `the environment variable ${printable(value ?? '', 60)} is set, but does not name a folder; give its full path`,
    );
  return {
    folder,
    shown: (text) => text.replaceAll(folder, name).replaceAll(normalize(folder), name).replaceAll(serverPrefix(folder), name),
  };
}

/** @throws EBADPARAM */
export function readProviders(list: string | undefined, device: EngineDef['device']): string[] {
  const card = readOptionalNumber(device, 'device', 0, { min: 0, max: 63, integer: true });
  if (isEmpty(list)) return ['cpu'];
  const names = String(list)
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  for (const name of names) {
    if (!/^[a-z][a-z0-9]*(:\d+)?$/.test(name)) {
      throw new EngineError('EBADPARAM', `"${name}" is not an execution provider; write names such as cuda, cpu separated by commas`);
    }
  }
  if (names.length > 1 && names.some((name) => isAutomatic([name]))) {
    throw new EngineError('EBADPARAM', `"${AUTOMATIC}" stands alone: it tries all execution providers of this machine`);
  }
  return names.length === 0 ? ['cpu'] : names.map((name) => (card > 0 && WITH_DEVICE.includes(name) ? `${name}:${card}` : name));
}
