/** Runs the one check that its parent asks for, and ends. */
import { constants } from 'node:os';
import { EngineError } from '../../errors';
import { type CheckName, CHECKS } from '../client/checks';
import { type Answer, answerTo, toWireError } from '../../util/channel';
import { standBack } from '../../util/stand-back';

process.title = 'streamdiffusion-check';
standBack(constants.priority.PRIORITY_BELOW_NORMAL);
process.on('disconnect', () => process.exit());
process.once('message', ({ id, name, args }: { id: number; name: CheckName; args: unknown[] }) => {
  const check = CHECKS[name] as (...args: unknown[]) => Promise<unknown>;
  void answerTo(id, async () => plain(await check(...args))).then((answer: Answer) => {
    process.send?.(answer, undefined, undefined, () => process.exit());
  });
});

/** Converts errors to plain values, since they would lose their codes on the way; see fromWireError. */
function plain(result: unknown): unknown {
  if (result instanceof EngineError) return toWireError(result);
  if (Array.isArray(result)) return result.map(plain);
  if (typeof result !== 'object' || result === null) return result;
  return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, plain(value)]));
}
