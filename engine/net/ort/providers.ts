import { EngineError } from '../../errors';
import { OnnxNet } from './onnx-net';
import type { OperatorLimit } from './operators';
import { probeModel } from './probe-model';
import { firstLine } from './runtime';

/** A wanted execution provider that does not work here, with the reason in the runtime's own words. */
export interface RefusedProvider {
  provider: string;
  reason: string;
}

/**
 * The first of the wanted execution providers that runs a net on this machine. ONNX Runtime itself does not fall back: a
 * session whose first provider is missing is an error. So each is tried with a net of one addition.
 *
 * Rejects with ENOPROVIDER, which names every reason, when none works.
 *
 * @param limit leaves out providers that cannot run the model in question
 */
export async function probeProviders(wanted: string[], limit?: OperatorLimit): Promise<{ provider: string; refused: RefusedProvider[] }> {
  const refused: RefusedProvider[] = [];
  for (const provider of wanted) {
    const able = !limit || limit.providers.includes(provider.split(':')[0]);
    const reason = able ? await refusal(provider) : lacking(limit);
    if (reason === undefined) return { provider, refused };
    refused.push({ provider, reason });
  }
  const reasons = refused.map(({ provider, reason }) => `${provider}: ${reason}`).join('; ') || 'the list is empty';
  const advice = limit ? 'take the export of this model that was not optimised for one provider' : '"cpu" works everywhere';
  throw new EngineError('ENOPROVIDER', `no execution provider works on this machine (${reasons}); ${advice}`);
}

function lacking({ operators, providers }: OperatorLimit): string {
  return `it lacks ${operators.join(', ')}, with which this model was optimised for ${providers.join(', ')}`;
}

/** Why a provider does not work here; undefined when it does. */
async function refusal(provider: string): Promise<string | undefined> {
  let net: OnnxNet | undefined;
  try {
    net = await OnnxNet.load(probeModel(), { executionProvider: provider }, 'the test net');
    await net.run({ x: { type: 'float32', data: Float32Array.of(1), dims: [1] } });
    return undefined;
  } catch (thrown) {
    // Without the library no provider can work; its own message is the better one.
    if (thrown instanceof EngineError && thrown.code === 'ENOPROVIDER') throw thrown;
    const cause = thrown instanceof EngineError && thrown.cause instanceof Error ? thrown.cause : thrown;
    return reasonIn(cause instanceof Error ? cause.message : String(cause));
  } finally {
    await net?.close();
  }
}

/** The reason in a message of the runtime: its first line, without the place in ONNX Runtime's source. */
function reasonIn(message: string): string {
  // The runtime does not name the library that is missing.
  if (/_Cuda: Failed to load shared library/.test(message)) {
    return 'its libraries do not load: it needs an NVIDIA driver, CUDA 13, cuDNN 9 and ONNX Runtime\'s CUDA files; "npx streamdiffusion providers check" says what is missing, "providers install cuda" fetches the latter';
  }
  return firstLine(message).replace(/^\S+\.(cc|cpp|h):\d+ .* was false\. /, '');
}
