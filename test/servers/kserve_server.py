"""ONNX nets on KServe's model server: kserve_server.py HTTP_PORT GRPC_PORT NAME=FILE.onnx ..."""
import sys

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

DATATYPES = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(int64)": "INT64", "tensor(int32)": "INT32"}


class OnnxModel(Model):
    def __init__(self, name, path):
        super().__init__(name)
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.ready = True

    def heads(self, tensors):
        return [{"name": one.name, "datatype": DATATYPES[one.type], "shape": [size if isinstance(size, int) else -1 for size in one.shape]} for one in tensors]

    async def get_input_types(self):
        return self.heads(self.session.get_inputs())

    async def get_output_types(self):
        return self.heads(self.session.get_outputs())

    async def predict(self, payload: InferRequest, headers=None, response_headers=None):
        feeds = {one.name: one.as_numpy() for one in payload.inputs}
        names = [one.name for one in self.session.get_outputs()]
        outputs = []
        for name, array in zip(names, self.session.run(names, feeds)):
            output = InferOutput(name=name, shape=list(array.shape), datatype={"float32": "FP32", "float16": "FP16"}[str(array.dtype)])
            output.set_data_from_numpy(np.ascontiguousarray(array), binary_data=True)
            outputs.append(output)
        return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=outputs, use_binary_outputs=True, requested_outputs=payload.request_outputs)


if __name__ == "__main__":
    http_port, grpc_port, *models = sys.argv[1:]
    server = ModelServer(http_port=int(http_port), grpc_port=int(grpc_port), workers=1, enable_docs_url=False, enable_latency_logging=False)
    server.start([OnnxModel(*one.split("=", 1)) for one in models])
