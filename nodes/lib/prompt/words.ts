import type { NodeAPI } from 'node-red';
import { checkInProcess } from '../../../engine/host/client/checks';
import { type ModelWords, modelWords } from '../../../engine/model/model-words';
import { LruCache } from '../../../engine/util/lru-cache';
import { readAskedModel, readModel, type EngineDef } from '../engine/fields';
import { denoiserBehind, flowNodes } from '../common/flow-graph';
import { withCode } from '../common/input';
import { guardAdmin, onlyJson } from '../web/site';

/** The most texts of a question, and the most characters of all of them. */
const MOST_TEXTS = 64;
const MOST_CHARACTERS = 40_000;
/** Reading a list of words takes a tenth of a second; a file that takes longer is none. */
const LIMIT_MS = 20_000;

const answers = new LruCache<Promise<ModelWords>>(64);

/** What a model reads in texts. Folders that others have made are read in a process of their own. */
export function askWords(model: string, texts: string[], withList = false): Promise<ModelWords> {
  return answers.getOrMake(JSON.stringify([model, withList, ...texts]), () => {
    const asked =
      model === 'starter' ? modelWords(model, texts, withList) : checkInProcess('modelWords', [model, texts, withList], LIMIT_MS);
    // A folder may be mended, or get another table.
    if (model !== 'starter') setTimeout(() => answers.delete(JSON.stringify([model, withList, ...texts])), 10_000).unref();
    return asked;
  });
}

/**
 * The model that a prompt encoder's prompts are for: that of the first denoiser behind it, by wires and links, else that of
 * the only engine; undefined where it cannot be said.
 */
export function modelBehind(RED: NodeAPI, id: string): string | undefined {
  const nodes = flowNodes(RED);
  const all = [...nodes.values()];
  const denoiser = denoiserBehind(nodes, id) ?? onlyOne(all.filter(({ type, d }) => type === 'streamdiffusion-denoiser' && !d));
  const engine = denoiser?.engine === undefined ? undefined : nodes.get(denoiser.engine);
  const chosen = engine ?? onlyOne(all.filter(({ type }) => type === 'streamdiffusion-engine'));
  if (!chosen) return undefined;
  try {
    return readModel(RED, RED.nodes.getNode(chosen.id), chosen.model, chosen.modelType as EngineDef['modelType']);
  } catch {
    // The engine itself says what is wrong with it.
    return undefined;
  }
}

function onlyOne<T>(list: T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined;
}

/**
 * `POST streamdiffusion/words`: `{ model?, modelType?, id?, texts, list? }`, the engine's fields and node and the texts of a prompt;
 * answers {@link ModelWords}, under the editor's own login.
 */
export function serveWords(RED: NodeAPI): void {
  guardAdmin(RED);
  RED.httpAdmin.post('/streamdiffusion/words', RED.auth.needsPermission('streamdiffusion.read'), onlyJson, (request, response) => {
    const { model, modelType, id, texts, list } = (request.body ?? {}) as Record<string, unknown>;
    const isFine =
      Array.isArray(texts) &&
      texts.length <= MOST_TEXTS &&
      texts.every((text) => typeof text === 'string') &&
      texts.join('').length <= MOST_CHARACTERS;
    if (!isFine)
      return void response.status(400).json({
        code: 'EBADPARAM',
        message: `texts must be a list of at most ${MOST_TEXTS} texts with ${MOST_CHARACTERS} characters in all`,
      });
    readAskedModel(
      RED,
      typeof id === 'string' ? RED.nodes.getNode(id) : null,
      typeof model === 'string' ? model : '',
      modelType as EngineDef['modelType'],
    )
      .then(({ folder }) => askWords(folder, texts as string[], list === true))
      .then((answer) => response.set('Cache-Control', 'no-store').json(answer))
      .catch((thrown: unknown) => response.status(400).json({ code: withCode(thrown).code, message: withCode(thrown).message }));
  });
}
