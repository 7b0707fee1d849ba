import { field, message } from '../../engine/net/onnx/protobuf';

/** Small ONNX files for tests, written field by field; the numbers are those of onnx.proto. */

const elementTypes = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10 };
export type ElementType = keyof typeof elementTypes;

export function value(name: string, type: ElementType, shape: (number | string)[]): Buffer {
  const dims = shape.map((size) => field(1, typeof size === 'number' ? field(1, size) : field(2, size)));
  const tensor = message(field(1, elementTypes[type]), field(2, message(...dims)));
  return message(field(1, name), field(2, field(1, tensor)));
}

/** A node with integers or lists of them as attributes. An operator with a dot in its name belongs to the domain before the dot. */
export function node(operator: string, inputs: string[], output: string, attributes: Record<string, number | number[]> = {}): Buffer {
  const attribute = ([name, given]: [string, number | number[]]): Buffer =>
    typeof given === 'number'
      ? message(field(1, name), field(3, given), field(20, 2))
      : message(field(1, name), ...given.map((one) => field(8, one)), field(20, 7));
  return message(
    ...inputs.map((input) => field(1, input)),
    field(2, output),
    field(4, operator.slice(operator.lastIndexOf('.') + 1)),
    ...(operator.includes('.') ? [field(7, operator.slice(0, operator.lastIndexOf('.')))] : []),
    ...Object.entries(attributes).map((entry) => field(5, attribute(entry))),
  );
}

function cast(input: string, output: string, type: ElementType): Buffer {
  return node('Cast', [input], output, { to: elementTypes[type] });
}

/** A weight that lies in the file itself. */
export function weight(name: string, dims: number[], data: Float32Array | Float64Array | BigInt64Array | Uint16Array): Buffer {
  const type: ElementType = data instanceof BigInt64Array ? 'int64' : data instanceof Uint16Array ? 'float16' : 'float32';
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message(...dims.map((size) => field(1, size)), field(2, elementTypes[type]), field(8, name), field(9, raw));
}

/** A float32 weight whose values lie in another file. */
export function externalWeight(name: string, dims: number[], location: string): Buffer {
  const entry = message(field(1, 'location'), field(2, location));
  return message(...dims.map((size) => field(1, size)), field(2, elementTypes.float32), field(8, name), field(13, entry), field(14, 1));
}

export function onnxModel(graph: { nodes: Buffer[]; weights?: Buffer[]; inputs: Buffer[]; outputs: Buffer[] }): Buffer {
  const body = message(
    ...graph.nodes.map((one) => field(1, one)),
    field(2, 'test'),
    ...(graph.weights ?? []).map((one) => field(5, one)),
    ...graph.inputs.map((one) => field(11, one)),
    ...graph.outputs.map((one) => field(12, one)),
  );
  const opsets = [field(8, field(2, 13)), field(8, message(field(1, 'com.microsoft'), field(2, 1)))];
  return message(field(1, 8), ...opsets, field(7, body));
}

export interface UnetShape {
  type?: 'float32' | 'float16';
  timestepType?: ElementType;
  timestepShape?: (number | string)[];
  sampleShape?: (number | string)[];
  batch?: number | string;
  /** Names of the inputs and of the output, if not the usual ones. */
  outputName?: string;
  /** Further inputs [batch, width], by name; the mean of each row is added to the output. */
  extraInputs?: Record<string, number>;
  /** Whether the graph repeats a single timestep for every row, as current exports do. */
  expand?: boolean;
}

/** A net shaped like a UNet that computes sample·timestep + mean(encoder_hidden_states) and the like, row by row. */
export function tinyUnet(shape: UnetShape = {}): Buffer {
  const { type = 'float32', timestepType = 'int64', batch = 'batch', outputName = 'out_sample' } = shape;
  const timestepShape = shape.timestepShape ?? [batch];
  const sampleShape = shape.sampleShape ?? [batch, 4, 'height', 'width'];
  const extras = Object.entries(shape.extraInputs ?? {});
  const perRow = BigInt64Array.of(-1n, 1n, 1n, 1n);
  return onnxModel({
    inputs: [
      value('sample', type, sampleShape),
      value('timestep', timestepType, timestepShape),
      value('encoder_hidden_states', type, [batch, 'tokens', 32]),
      ...extras.map(([name, width]) => value(name, type, [batch, width])),
    ],
    outputs: [value(outputName, type, sampleShape)],
    weights: [
      weight('per_row', [4], perRow),
      ...['zero', 'one', 'minus_one'].map((name, i) => weight(name, [1], BigInt64Array.of([0n, 1n, -1n][i]))),
    ],
    nodes: [
      ...(shape.expand
        ? expanded(timestepShape.length === 0, elementTypes[type])
        : [node('Cast', ['timestep'], 't', { to: elementTypes[type] })]),
      node('Reshape', ['t', 'per_row'], 't_row'),
      node('ReduceMean', ['encoder_hidden_states'], 'mean', { axes: [1, 2], keepdims: 1 }),
      node('Reshape', ['mean', 'per_row'], 'mean_row'),
      node('Mul', ['sample', 't_row'], 'scaled'),
      ...extras.flatMap(([name], i) => [
        node('ReduceMean', [name], `${name}_mean`, { axes: [1], keepdims: 1 }),
        node('Reshape', [`${name}_mean`, 'per_row'], `${name}_row`),
        node('Add', [i === 0 ? 'mean_row' : `sum_${i - 1}`, `${name}_row`], `sum_${i}`),
      ]),
      node('Add', ['scaled', extras.length === 0 ? 'mean_row' : `sum_${extras.length - 1}`], outputName),
    ],
  });
}

/** A net shaped like a text encoder with all its layers as outputs: layer k is (k + 1) times the token ids, `width` times. */
export function tinyTextEncoder(width: number, layers = 3, idType: 'int32' | 'int64' = 'int64'): Buffer {
  const shape = ['batch', 'tokens', width];
  const names = Array.from({ length: layers + 1 }, (_, layer) => `hidden_states.${layer}`);
  return onnxModel({
    inputs: [value('input_ids', idType, ['batch', 'tokens'])],
    outputs: [
      value('text_embeds', 'float32', ['batch', width]),
      value('last_hidden_state', 'float32', shape),
      ...names.map((name) => value(name, 'float32', shape)),
    ],
    weights: [
      weight('last', [1], BigInt64Array.of(2n)),
      ...names.map((name, layer) => weight(`w_${name}`, [width], new Float32Array(width).fill(layer + 1))),
    ],
    nodes: [
      node('Cast', ['input_ids'], 'ids', { to: elementTypes.float32 }),
      node('Unsqueeze', ['ids', 'last'], 'column'),
      ...names.map((name) => node('Mul', ['column', `w_${name}`], name)),
      node('Identity', [names[layers]], 'last_hidden_state'),
      node('ReduceMean', [names[layers]], 'text_embeds', { axes: [1], keepdims: 0 }),
    ],
  });
}

/** timestep -> t, one value for every row of sample, as torch's exporter writes it. */
function expanded(isScalar: boolean, to: number): Buffer[] {
  const list = isScalar ? 't_list' : 'timestep';
  return [
    ...(isScalar ? [node('Unsqueeze', ['timestep', 'zero'], 't_list')] : []),
    node('Cast', [list], 't_cast', { to }),
    node('Shape', ['sample'], 'shape'),
    node('Gather', ['shape', 'zero'], 'rows'),
    node('Expand', ['t_cast', 'rows'], 't'),
  ];
}

/** A tiny autoencoder that returns its input averaged over blocks, except for values outside its range. */
export function tinyAutoencoder(
  low: number,
  high: number,
  names = { latent: 'latent_sample', picture: 'sample' },
): { encoder: Buffer; decoder: Buffer } {
  const { latent, picture } = names;
  const identity = new Float32Array(4 * 3);
  for (let channel = 0; channel < 3; channel++) identity[channel * 3 + channel] = 1;
  const spread = new Float32Array(4 * 3 * 64);
  for (let channel = 0; channel < 3; channel++) spread.fill(1, (channel * 3 + channel) * 64, (channel * 3 + channel + 1) * 64);
  const limits = [weight('low', [], Float32Array.of(low)), weight('high', [], Float32Array.of(high))];
  return {
    encoder: onnxModel({
      inputs: [value(picture, 'float32', ['batch', 3, 'height', 'width'])],
      outputs: [value(latent, 'float32', ['batch', 4, 'h', 'w'])],
      weights: [weight('w', [4, 3, 1, 1], identity), ...limits],
      nodes: [
        node('Clip', [picture, 'low', 'high'], 'clipped'),
        node('AveragePool', ['clipped'], 'pooled', { kernel_shape: [8, 8], strides: [8, 8] }),
        node('Conv', ['pooled', 'w'], latent),
      ],
    }),
    decoder: onnxModel({
      inputs: [value(latent, 'float32', ['batch', 4, 'h', 'w'])],
      outputs: [value(picture, 'float32', ['batch', 3, 'height', 'width'])],
      weights: [weight('w', [4, 3, 8, 8], spread), ...limits],
      nodes: [node('ConvTranspose', [latent, 'w'], 'spread', { strides: [8, 8] }), node('Clip', ['spread', 'low', 'high'], picture)],
    }),
  };
}

/**
 * A net shaped like a full autoencoder's encoder, 8×: channel c of the mean is (c + 1) times the average of red over
 * each 8×8 block; the log variances after it are all 100, so that a drawn sample would be off by e^50.
 */
export function tinyKlEncoder(batch: number | string = 'batch', type: ElementType = 'float32'): Buffer {
  const weights = Float32Array.from({ length: 8 * 3 }, (_, i) => (i % 3 === 0 && i / 3 < 4 ? i / 3 + 1 : 0));
  return onnxModel({
    inputs: [value('sample', type, [batch, 3, 'height', 'width'])],
    outputs: [value('latent_parameters', type, [batch, 8, 'h', 'w'])],
    weights: [weight('w', [8, 3, 1, 1], weights), weight('b', [8], Float32Array.of(0, 0, 0, 0, 100, 100, 100, 100))],
    nodes: [
      cast('sample', 'numbers', 'float32'),
      node('AveragePool', ['numbers'], 'pooled', { kernel_shape: [8, 8], strides: [8, 8] }),
      node('Conv', ['pooled', 'w', 'b'], 'moments'),
      cast('moments', 'latent_parameters', type),
    ],
  });
}

/** A net shaped like an autoencoder's decoder, 8×: each latent fills its block; red is channel 0, green 1, blue 2. */
export function tinyDecoder(batch: number | string = 'batch', type: ElementType = 'float32'): Buffer {
  const weights = new Float32Array(4 * 3 * 64);
  for (let channel = 0; channel < 3; channel++) weights.fill(1, (channel * 3 + channel) * 64, (channel * 3 + channel + 1) * 64);
  return onnxModel({
    inputs: [value('latent_sample', type, [batch, 4, 'h', 'w'])],
    outputs: [value('sample', type, [batch, 3, 'height', 'width'])],
    weights: [weight('w', [4, 3, 8, 8], weights)],
    nodes: [
      cast('latent_sample', 'latent', 'float32'),
      node('ConvTranspose', ['latent', 'w'], 'picture', { strides: [8, 8] }),
      cast('picture', 'sample', type),
    ],
  });
}
