/**
 * The model.py of a net for Triton's Python backend: runs ONNX Runtime once for all requests that Triton has collected. Their
 * shapes only differ in the rows, otherwise Triton would not have collected them.
 */
export const PYTHON_MODEL = `import json
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        threads = config.get("parameters", {}).get("intra_op_thread_count", {}).get("string_value")
        if threads:
            options.intra_op_num_threads = int(threads)
        # Cores that wait for the next run by spinning are missing where the other nets run.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        providers = ["CPUExecutionProvider"]
        if args["model_instance_kind"] == "GPU":
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(args["model_instance_device_id"])}))
        self.session = onnxruntime.InferenceSession(path, options, providers=providers)
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.outputs = [one.name for one in self.session.get_outputs()]
        self.batched = config["max_batch_size"] > 0

    def execute(self, requests):
        feeds = [[pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs] for request in requests]
        if not self.batched:
            return [self.respond(self.session.run(self.outputs, dict(zip(self.inputs, feed)))) for feed in feeds]
        rows = [feed[0].shape[0] for feed in feeds]
        # Sizes that were declared empty arrive as [rows, 1].
        ranks = [len(one.shape) for one in self.session.get_inputs()]
        together = [np.concatenate(parts).reshape(-1, *parts[0].shape[1:rank]) for parts, rank in zip(zip(*feeds), ranks)]
        results = self.session.run(self.outputs, dict(zip(self.inputs, together)))
        ends = np.cumsum(rows)
        return [self.respond([result[end - count:end] for result in results]) for count, end in zip(rows, ends)]

    def respond(self, arrays):
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in zip(self.outputs, arrays)])
`;
