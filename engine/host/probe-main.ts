/** Tries the execution provider that is named as the argument, and prints a {@link ProbeAnswer} as JSON. */
import { EngineError } from '../errors';
import { probeProviders } from '../net/providers';

export interface ProbeAnswer {
  /** Why it does not work; undefined when it does. */
  reason?: string;
}

async function probe(name: string): Promise<ProbeAnswer> {
  try {
    await probeProviders([name]);
    return {};
  } catch (thrown) {
    const { message } = EngineError.from(thrown, 'ENOPROVIDER');
    // The sentence names the provider and gives advice; beside its name, the provider's own words are enough.
    return { reason: new RegExp(`\\(${name}: (.*)\\)`, 's').exec(message)?.[1] ?? message };
  }
}

void probe(process.argv[2]).then((answer) => console.log(JSON.stringify(answer)));
