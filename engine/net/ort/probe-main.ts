/** Tries the execution provider that is named as the argument, and prints a {@link ProbeAnswer} as JSON. */
import { EngineError } from '../../errors';
import { arithmeticMemory, chooseArithmetic } from './arithmetic';
import type { ArithmeticChoice } from './arithmetic-kinds';
import { probeProviders } from './providers';

export interface ProbeAnswer {
  /** Why the provider does not work; undefined when it does. */
  reason?: string;
  /** For cpu: the choice, measured again and remembered for the engines that start afterwards. */
  arithmetic?: ArithmeticChoice;
}

async function probe(name: string): Promise<ProbeAnswer> {
  try {
    await probeProviders([name]);
    return name === 'cpu' ? { arithmetic: await chooseArithmetic('auto', arithmeticMemory(), true) } : {};
  } catch (thrown) {
    const { message } = EngineError.from(thrown, 'ENOPROVIDER');
    // The sentence names the provider and gives advice; the report shows the name itself, so the provider's own words are enough.
    return { reason: new RegExp(`\\(${name}: (.*)\\)`, 's').exec(message)?.[1] ?? message };
  }
}

void probe(process.argv[2]).then((answer) => console.log(JSON.stringify(answer)));
