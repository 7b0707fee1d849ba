"""A net in half precision, inputs and outputs included: half.py SOURCE.onnx TARGET.onnx"""
import sys
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
source, target = sys.argv[1:]
onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=False, disable_shape_infer=False), target)
