import { cpus } from 'node:os';
import { memoryFile, recall, remember } from '../../util/memory-file';
import type { ArithmeticChoice, Int8Wish } from './arithmetic-kinds';
import { type Trial, tryArithmetic } from './arithmetic-trial';
import { runtimeVersion } from './runtime';

/** The speed-up from which int8 is worth its rounding. */
const PAYS_FROM = 1.15;
/** The number of machines whose speed is remembered: a home folder may be moved or shared. */
const REMEMBERED = 20;

/**
 * How nets with an int8.json are best computed on this machine's processor, found out by trying. Whether int8 is exact is
 * tried every time, in about 50 ms. Its speed is measured only once per processor and version of ONNX Runtime: a choice made
 * again at every start could change the pictures after a restart.
 *
 * @param memory the file that keeps the measured speed; where it cannot be read or written, it is measured again
 * @param forget whether to measure again instead of using the file
 */
export async function chooseArithmetic(wish: Int8Wish, memory = arithmeticMemory(), forget = false): Promise<ArithmeticChoice> {
  if (wish === false) return { arithmetic: 'float32', reason: 'int8 is switched off' };
  const trial = await tryArithmetic(false);
  const key = machineKey(trial);
  const kept = forget ? undefined : (await recall(memory))[key];
  const known = typeof kept === 'number' && kept > 0 ? kept : undefined;
  const speedUp = known ?? Number((await tryArithmetic(true)).speedUp.toFixed(2));
  if (known === undefined) await remember(memory, key, speedUp, REMEMBERED);
  return decide(wish, { ...trial, speedUp });
}

/** The choice that follows from a trial. */
export function decide(wish: Exclude<Int8Wish, false>, { exact, speedUp }: Trial): ArithmeticChoice {
  const kind = exact.int8 ? 'int8' : exact['int8-7bit'] ? 'int8-7bit' : undefined;
  if (!kind) return { arithmetic: 'float32', reason: 'sums of int8 products overflow on this processor, even with weights of seven bits' };
  const found = `${kind === 'int8' ? 'its products are exact' : 'with weights of seven bits, since sums of products with eight overflow on this processor'}; ${speedUp.toFixed(1)} times the speed of float32 when tried`;
  if (wish === 'auto' && speedUp < PAYS_FROM) return { arithmetic: 'float32', reason: `int8 is not faster here (${found})` };
  return { arithmetic: kind, reason: found };
}

/** STREAMDIFFUSION_CACHE, or a folder beside that of the models. */
export function arithmeticMemory(env: NodeJS.ProcessEnv = process.env): string {
  return memoryFile('arithmetic.json', env);
}

/** The key of a machine. It holds more than the processor's name: processors of the same name may differ in what they can do. */
function machineKey({ exact }: Trial): string {
  const names = [...new Set(cpus().map(({ model }) => model.trim()))].sort();
  return [process.platform, process.arch, ...names, exact.int8 ? 8 : 7, `onnxruntime ${runtimeVersion()}`].join(', ');
}
