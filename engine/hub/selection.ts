import { EngineError } from '../errors';
import type { Listing, RepositoryFile } from './repository';

/** The nets of latent diffusion models; a folder of each, or a file of each at the top. */
const NET = '(text_encoder|text_encoder_2|unet|vae_encoder|vae_decoder)';
const TOKENIZER_FILES = '(vocab\\.json|merges\\.txt|tokenizer\\.json|tokenizer_config\\.json|special_tokens_map\\.json)';

const WANTED = [
  /^model_index\.json$/,
  /^(LICENSE|LICENCE|NOTICE)[\w.-]*$/i,
  /^README\.md$/,
  /^scheduler\/scheduler_config\.json$/,
  new RegExp(`^tokenizer(_2)?/${TOKENIZER_FILES}$`),
  new RegExp(`^${NET}/(config\\.json|model\\.onnx)$`),
  new RegExp(`^${NET}\\.onnx([._]data)?$`),
];

/** Weights may lie in any file beside model.onnx; these are for other programs, or for another net in that folder. */
const FOREIGN = /\.(safetensors|bin|ckpt|pt|pth|msgpack|h5|gguf|tflite|xml|json|txt|md|png|jpe?g|py|onnx)$|(?<!^model)\.onnx[._]data([._]\d+)?$/i;
const BESIDE_NET = new RegExp(`^(${NET})/([\\w][\\w.-]*)$`);

/**
 * The files of a repository that the engine can use: the nets with their weights, their configs, the tokenizer, the
 * schedule, and the licence. A path that leads elsewhere matches nothing.
 *
 * @throws ENOMODEL when there is no net among them
 */
export function selectFiles({ repository, files }: Listing): RepositoryFile[] {
  const paths = new Set(files.map(({ path }) => path));
  const selected = files.filter(({ path }) => WANTED.some((pattern) => pattern.test(path)) || isWeights(path, paths));
  if (selected.some(({ path }) => path.endsWith('.onnx'))) return selected;
  const other = files.some(({ path }) => /\.(safetensors|bin|ckpt)$/.test(path));
  throw new EngineError(
    'ENOMODEL',
    `${repository} has no ONNX net in a place where one is looked for (unet/model.onnx, vae_decoder/model.onnx and so on); ` +
      (other ? `it has weights for PyTorch: convert them with "optimum-cli export onnx --model ${repository} FOLDER"` : 'take another repository'),
  );
}

function isWeights(path: string, paths: Set<string>): boolean {
  const [, folder, , name] = BESIDE_NET.exec(path) ?? [];
  return folder !== undefined && paths.has(`${folder}/model.onnx`) && !FOREIGN.test(name);
}
