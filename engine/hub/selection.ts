import { posix } from 'node:path';
import { EngineError } from '../errors';
import { OWN_AUTOENCODER } from '../model/autoencoder';
import { netAlone, netAmong } from '../model/layouts';
import { isAutoencoder, isNetName, netNames, type NetName } from '../model/roles';
import { selectAdapter } from './adapter-selection';
import type { Listing, RepositoryFile } from './repository';

const TOKENIZER_FILES = '(vocab\\.json|merges\\.txt|tokenizer\\.json|tokenizer_config\\.json|special_tokens_map\\.json|words\\.json)';

/** The files that the engine reads besides nets, in folders or at the top, and the licence. */
const WANTED = [
  /^(LICENSE|LICENCE|NOTICE)[\w.-]*$/i,
  /^README\.md$/,
  /^model_index\.json$/,
  /^(scheduler\/)?scheduler_config\.json$/,
  new RegExp(`^(tokenizer/|tokenizer_2/)?${TOKENIZER_FILES}$`),
];

/** The endings of files for other programs. Any other file beside a net may be its weights, which can have any name. */
const FOREIGN = /\.(safetensors|bin|ckpt|pt|pth|msgpack|h5|gguf|tflite|xml|json|txt|md|png|jpe?g|py|onnx)$/i;
const CONFIGS = new Set(['config.json', 'preprocessor_config.json']);
/** Folders of nets that belong to adapters and not to a model. */
const OF_ADAPTERS = new Set(['image_encoder', 'controlnet', 'onnx']);
const SAFE_NAME = /^\w[\w.-]*$/;

/**
 * The files of a repository that the engine can use: the nets, found as in a folder on disk, with their weights; configs,
 * tokenizers, schedule, licence; in a repository without a model, its adapter. A path that leads out of the repository
 * matches nothing.
 *
 * @throws ENOMODEL when there is neither
 */
export function selectFiles({ repository, files }: Listing): RepositoryFile[] {
  const folders = byFolder(files);
  const needed = new Set(files.map(({ path }) => path).filter((path) => WANTED.some((pattern) => pattern.test(path))));
  const nets = netNames.flatMap((net) => placesOf(net, folders));
  const controlNets = nets.length > 0 ? ownControlNets(folders) : [];
  for (const path of [...nets, ...controlNets]) for (const part of [path, ...besideNet(path, folders)]) needed.add(part);
  const adapter = nets.length > 0 ? undefined : selectAdapter(repository, files, folders);
  for (const path of adapter?.nets ?? []) for (const part of [path, ...besideNet(path, folders, !path.includes('/'))]) needed.add(part);
  for (const path of adapter ? [...adapter.others, 'preprocessor_config.json'] : []) needed.add(path);
  if (nets.length > 0 || adapter) return files.filter(({ path }) => needed.has(path));

  const forPyTorch = files.some(({ path }) => /\.(safetensors|bin|ckpt)$/.test(path));
  throw new EngineError(
    'ENOMODEL',
    `${repository} has no ONNX net in any of the usual places (unet/model.onnx, vae_decoder/model.onnx and so on); ` +
      (forPyTorch
        ? `it has weights for PyTorch: convert them with "optimum-cli export onnx --model ${repository} FOLDER"`
        : 'choose another repository'),
  );
}

type Folders = Map<string, string[]>;

/** The names of files by their folder, '.' for the top. Names that are not valid on every system are left out. */
function byFolder(files: RepositoryFile[]): Folders {
  const folders: Folders = new Map();
  for (const { path } of files) {
    if (!path.split('/').every((part) => SAFE_NAME.test(part))) continue;
    const folder = posix.dirname(path);
    folders.set(folder, [...(folders.get(folder) ?? []), posix.basename(path)]);
  }
  return folders;
}

/** The places of a net: in the model's folder, and for an autoencoder also in the tiny one's folder, which is wanted beside the full one. */
function placesOf(net: NetName, folders: Folders): string[] {
  const tiny = [...folders.keys()].map((folder) => folder.split('/')[0]).filter((top) => OWN_AUTOENCODER.test(top));
  const roots = isAutoencoder(net) ? ['.', ...new Set(tiny)] : ['.'];
  return roots.flatMap((root) => findNet(root, net, folders) ?? []);
}

/** ControlNets in the folder of a model, as `controlnet/NAME`: the engine opens them with it. */
function ownControlNets(folders: Folders): string[] {
  return [...folders.keys()].filter(isControlNet).flatMap((folder) => {
    const alone = netAlone(onnxFiles(folder, folders));
    return alone ? [posix.join(folder, alone)] : [];
  });
}

function isControlNet(folder: string): boolean {
  return /^controlnet\/[^/]+$/.test(folder);
}

function findNet(root: string, net: NetName, folders: Folders): string | undefined {
  const own = posix.join(root, net);
  const alone = netAlone(onnxFiles(own, folders));
  if (alone) return posix.join(own, alone);
  for (const folder of [root, posix.join(root, 'onnx')]) {
    const among = netAmong(onnxFiles(folder, folders), net);
    if (among) return posix.join(folder, among);
  }
  return undefined;
}

function onnxFiles(folder: string, folders: Folders): string[] {
  return (folders.get(folder) ?? []).filter((name) => name.endsWith('.onnx'));
}

/**
 * The config and the weights of a net. In a folder of its own they may have any name. Beside other nets, and at the top of a
 * repository, their names begin with the net's.
 */
function besideNet(path: string, folders: Folders, isOnTop = false): string[] {
  const [folder, net] = [posix.dirname(path), posix.basename(path)];
  const isOwn = isNetName(posix.basename(folder)) || isControlNet(folder) || OF_ADAPTERS.has(folder);
  const isWeights = (name: string): boolean => !FOREIGN.test(name) && (name.startsWith(net) || (isOwn && !name.includes('.onnx')));
  const names = (folders.get(folder) ?? []).filter((name) => isWeights(name) || ((isOwn || isOnTop) && CONFIGS.has(name)));
  return names.map((name) => posix.join(folder, name));
}
