import assert from 'node:assert/strict';
import { inspectModel } from '../../engine/model/folder';
import { Model } from '../../engine/model/model';

/** What the check of a model folder finds, in lines; and that the model opens where the check finds it usable, and only there. */
export async function problemsOf(folder: string): Promise<string> {
  const { usable, problems } = await inspectModel(folder);
  const [listed, opened] = [
    problems.join('\n'),
    await Model.load({ model: folder, intraOpNumThreads: 1 }).then(
      (model) => model.close().then(() => ''),
      (thrown: Error & { code: string }) => `${thrown.code} ${thrown.message}`,
    ),
  ];
  if (usable) assert.equal(opened, '');
  else assert.match(opened, /^EBADMODEL/, 'what the check refuses is not opened');
  return listed;
}
