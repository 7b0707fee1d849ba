import { type ElementType, node, onnxModel, value, weight } from './onnx-maker';

type Shape = (number | string)[];

/** A net that returns its picture unchanged. */
export function identityNet(shape: Shape = [1, 3, 'height', 'width'], type: ElementType = 'float32'): Buffer {
  return onnxModel({
    nodes: [node('Identity', ['picture'], 'result')],
    inputs: [value('picture', type, shape)],
    outputs: [value('result', type, shape)],
  });
}

/** Gives ten times the mean of a picture's colours, [1, h, w], as an unbounded depth. */
export function depthNet(): Buffer {
  return onnxModel({
    nodes: [node('ReduceMean', ['picture'], 'mean', { axes: [1], keepdims: 0 }), node('Mul', ['mean', 'ten'], 'depth')],
    weights: [weight('ten', [1], Float32Array.of(10))],
    inputs: [value('picture', 'float32', ['batch', 'channels', 'height', 'width'])],
    outputs: [value('depth', 'float32', ['batch', 'height', 'width'])],
  });
}

/** Gives scores of classes: zero and the three colours for four classes, darkness and brightness for two. */
export function classesNet(count: 2 | 4): Buffer {
  const zero = weight('zero', [1], Float32Array.of(0));
  const half = node('Mul', ['picture', 'zero'], 'nothing');
  const nodes =
    count === 4
      ? [
          half,
          node('ReduceMean', ['nothing'], 'fourth', { axes: [1], keepdims: 1 }),
          node('Concat', ['fourth', 'picture'], 'scores', { axis: 1 }),
        ]
      : [
          node('ReduceMean', ['picture'], 'bright', { axes: [1], keepdims: 1 }),
          node('Sub', ['one', 'bright'], 'dark'),
          node('Concat', ['dark', 'bright'], 'scores', { axis: 1 }),
        ];
  return onnxModel({
    nodes,
    weights: [count === 4 ? zero : weight('one', [1], Float32Array.of(1))],
    inputs: [value('picture', 'float32', [1, 3, 'height', 'width'])],
    outputs: [value('scores', 'float32', [1, count, 'height', 'width'])],
  });
}

/** Doubles each side: every pixel becomes four. */
export function doublingNet(): Buffer {
  return onnxModel({
    nodes: [
      node('Concat', ['picture', 'picture', 'picture', 'picture'], 'deep', { axis: 1 }),
      node('DepthToSpace', ['deep'], 'large', { blocksize: 2 }),
    ],
    inputs: [value('picture', 'float32', [1, 3, 'height', 'width'])],
    outputs: [value('large', 'float32', [1, 3, 'large_height', 'large_width'])],
  });
}

/** Takes a picture and something else. */
export function twoInputNet(): Buffer {
  return onnxModel({
    nodes: [node('Add', ['picture', 'other'], 'result')],
    inputs: [value('picture', 'float32', [1, 3, 8, 8]), value('other', 'float32', [1, 3, 8, 8])],
    outputs: [value('result', 'float32', [1, 3, 8, 8])],
  });
}

/** A net with the names of Stable Diffusion's safety checker, which flags bright pictures. */
export function safetyChecker(): Buffer {
  return onnxModel({
    nodes: [
      node('ReduceMean', ['clip_input'], 'bright', { axes: [1, 2, 3], keepdims: 0 }),
      node('Greater', ['bright', 'half'], 'has_nsfw_concepts'),
      node('Identity', ['images'], 'out_images'),
    ],
    weights: [weight('half', [1], Float32Array.of(0.5))],
    inputs: [value('clip_input', 'float32', ['batch', 3, 224, 224]), value('images', 'float32', ['batch', 'height', 'width', 'channels'])],
    outputs: [value('out_images', 'float32', ['batch', 'height', 'width', 'channels']), value('has_nsfw_concepts', 'bool', ['batch'])],
  });
}

/** Gives logits of three classes: the brightness of red, green and blue, times twenty. */
export function coloursNet(): Buffer {
  return onnxModel({
    nodes: [node('ReduceMean', ['pixel_values'], 'colours', { axes: [2, 3], keepdims: 0 }), node('Mul', ['colours', 'twenty'], 'logits')],
    weights: [weight('twenty', [1], Float32Array.of(20))],
    inputs: [value('pixel_values', 'float32', ['batch', 3, 64, 64])],
    outputs: [value('logits', 'float32', ['batch', 3])],
  });
}

/** Gives a number for a picture: its brightness. */
export function scoreNet(): Buffer {
  return onnxModel({
    nodes: [node('ReduceMean', ['picture'], 'score', { axes: [1, 2, 3], keepdims: 0 })],
    inputs: [value('picture', 'float32', [1, 3, 'height', 'width'])],
    outputs: [value('score', 'float32', [1])],
  });
}
