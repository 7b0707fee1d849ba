import { findModel } from '../../../engine/hub/installed';
import { hubSettings } from '../../../engine/hub/settings';
import type { Command } from '../../command';
import { ProgressLine } from '../../progress-line';
import { inCount } from '../../words';
import { HELP, readOptions } from './options';
import { PLAN_SCRIPT, writeRepository } from './write';

async function run(args: string[]): Promise<number> {
  const options = readOptions(args);
  const model = await findModel(options.model, hubSettings().modelsFolder);
  const line = new ProgressLine();
  try {
    const nets = await writeRepository({ ...options, model }, (name) => line.status(`writing ${name} …`));
    for (const { name, version, unchanged, notes } of nets) {
      line.note(`${name}  version ${version}${unchanged ? ', there already' : ''}`);
      for (const note of notes) line.note(`  note: ${note}`);
    }
    const next = options.backend === 'tensorrt' ? `${options.to}/${PLAN_SCRIPT} on the machine with the GPU, then ` : '';
    line.note(`${inCount(nets.length, 'net')} in ${options.to}. Next: ${next}tritonserver --model-repository=${options.to}`);
    return 0;
  } finally {
    line.clear();
  }
}

export const repository: Command = { help: HELP, run };
