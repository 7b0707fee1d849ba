import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../../engine/errors';
import { Adapters } from '../../../engine/model/adapters/adapters';
import { asServed } from '../../../engine/model/adapters/served';
import { findFiles } from '../../../engine/model/files';
import { fingerprintOf, patchedFingerprint } from '../../../engine/model/fingerprint';
import { inspectModel } from '../../../engine/model/folder';
import { int8Patch } from '../../../engine/model/graph-patches';
import { readHeaders } from '../../../engine/model/headers';
import type { NetFiles } from '../../../engine/model/layouts';
import { type NetName, netNames } from '../../../engine/model/roles';
import { serverPrefix } from '../../../engine/model/server-nets';
import { applyPatches, type GraphPatch } from '../../../engine/net/onnx/patches/patch';
import { readOnnxGraph } from '../../../engine/net/onnx/graph';
import { configOf, isBatched, type ServedNet } from './config';
import { placeNet } from './net-files';
import type { RepositoryOptions } from './options';
import { planScript, type PlannedNet } from './plan-script';
import { PYTHON_MODEL } from './python-model';
import { shapesOf, sizesOf } from './warm-up';

export interface WrittenNet {
  name: string;
  version: number;
  /** Whether the net existed already, so that only its settings were written. */
  unchanged: boolean;
  /** Notes for users, in sentences. */
  notes: string[];
}

/** The name of the script that makes TensorRT plans. */
export const PLAN_SCRIPT = 'make-plans.sh';

/** Rejects with ENOMODEL, EBADMODEL, or EDISK when the repository cannot be written. */
export async function writeRepository(options: RepositoryOptions, onNet: (net: NetName) => void): Promise<WrittenNet[]> {
  const report = await inspectModel(options.model);
  if (!report.usable) throw new EngineError('EBADMODEL', `${report.folder} cannot be used: ${report.problems.join(' ')}`);
  const files = await findFiles(report.folder);
  const headers = await readHeaders(files);
  const wanted = options.nets ?? netNames.filter((name) => files.nets[name]);
  const missing = wanted.find((name) => !files.nets[name]);
  if (missing) throw new EngineError('ENOMODEL', `${report.folder} has no ${missing}; it has ${Object.keys(files.nets).join(', ')}`);
  if (options.int8 && !wanted.some((name) => files.nets[name]?.ranges)) {
    throw new EngineError('EBADMODEL', 'none of these nets has an int8.json beside it, which --int8 needs');
  }
  const adapters = await Adapters.open(options.adapters, { files, headers });
  const patchesOf = (name: NetName): GraphPatch[] =>
    options.backend === 'tensorrt' ? [] : adapters.patches(name, options.device === 'gpu' ? 'cuda' : 'cpu');
  const sizes = sizesOf(files, report, headers.text_encoder, options.size);
  const prefix = options.prefix ?? serverPrefix(options.model);
  const written: WrittenNet[] = [];
  const plans: PlannedNet[] = [];
  for (const name of wanted) {
    const [net, header] = [files.nets[name], headers[name]];
    if (!net || !header) continue;
    onNet(name);
    const rounding = options.int8 && net.ranges ? [int8Patch(net.ranges, options.int8, net.path)] : [];
    const rounded = rounding.length > 0 ? applyPatches(header.graph ?? (await readOnnxGraph(net.path)), rounding) : undefined;
    const isRounded = rounded !== undefined && rounded.applied.length > 0;
    const plain = isRounded ? { ...header, graph: rounded.graph } : header;
    const { header: changed, applied } = await asServed(plain, net.path, patchesOf(name));
    const served: ServedNet = {
      name: `${prefix}_${name}`,
      inputs: changed.inputs,
      outputs: changed.outputs,
      fingerprint: patchedFingerprint(await fingerprintOf(net.path), [...(rounded?.applied ?? []), ...applied]),
      warmUp: shapesOf(name, header, sizes, changed.inputs),
    };
    try {
      const { version, unchanged } = await writeNet(served, options, (folder) => placeNet(net.path, changed, folder));
      const inputs = applied.map((patch) => `with ${patch.name}`);
      written.push({
        name: served.name,
        version,
        unchanged,
        notes: [...notesOn(served), ...inputs, ...formatNote(net, options, isRounded)],
      });
      plans.push({ net: served, onnx: `${served.name}/${SOURCE}/model.onnx`, plan: `${served.name}/${version}/model.plan` });
    } catch (thrown) {
      throw EngineError.from(thrown, 'EDISK', `${served.name} cannot be written: `);
    }
  }
  if (options.backend === 'tensorrt') {
    await writeFile(join(options.to, PLAN_SCRIPT), planScript(plans, options));
    await chmod(join(options.to, PLAN_SCRIPT), 0o755);
  }
  return written;
}

/** The folder of a plan's ONNX file; Triton only looks into folders with numbers. */
const SOURCE = 'onnx';

/** A version of a net appears when it is complete, so that a server that polls for changes never finds half of one. */
async function writeNet(
  net: ServedNet,
  options: RepositoryOptions,
  place: (folder: string) => Promise<void>,
): Promise<{ version: number; unchanged: boolean }> {
  const folder = join(options.to, net.name);
  await mkdir(folder, { recursive: true });
  const versions = (await readdir(folder)).filter((name) => /^[1-9]\d*$/.test(name)).map(Number);
  const newest = Math.max(0, ...versions);
  const before = await readFile(join(folder, 'config.pbtxt'), 'utf8').catch(() => '');
  const unchanged = newest > 0 && before.includes(`"${net.fingerprint}"`) && backendIn(before) === backendIn(configOf(net, options));
  const version = unchanged ? newest : newest + 1;
  if (!unchanged) {
    const temporary = join(folder, `.${version}.partial`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    if (options.backend === 'tensorrt') {
      await rm(join(folder, SOURCE), { recursive: true, force: true });
      await place(join(folder, SOURCE));
    } else await place(temporary);
    if (options.backend === 'python') await writeFile(join(temporary, 'model.py'), PYTHON_MODEL);
    await rename(temporary, join(folder, String(version)));
  }
  await writeFile(join(folder, '.config.pbtxt'), configOf(net, options));
  await rename(join(folder, '.config.pbtxt'), join(folder, 'config.pbtxt'));
  return { version, unchanged };
}

function backendIn(config: string): string | undefined {
  return /^(?:backend|platform): .*$/m.exec(config)?.[0];
}

function notesOn(net: ServedNet): string[] {
  const notes: string[] = [];
  if (!isBatched(net)) notes.push('its export fixes the number of rows, so frames of several flows are not computed together');
  if (!net.warmUp) notes.push('it has inputs of unknown size, so it is not warmed up');
  return notes;
}

/** Notes on the number format on processors. */
function formatNote({ ranges }: NetFiles, { int8, device }: RepositoryOptions, isRounded: boolean): string[] {
  if (isRounded) return ['in int8'];
  if (int8) return [ranges ? 'its int8.json was made for another net, so it stays as it is' : 'it has no int8.json, so it stays as it is'];
  return ranges && device === 'cpu' ? ['--int8 makes it about twice as fast on processors made for that'] : [];
}
