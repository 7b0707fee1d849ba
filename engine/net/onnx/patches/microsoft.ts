import { field, fieldsOf, message } from '../protobuf';

/** The domain of ONNX Runtime's own operators. */
export const MICROSOFT = 'com.microsoft';

/** ModelProto { opset_import 8 { domain 1, version 2 }} with the opset of ONNX Runtime's own operators. */
export function withMicrosoft(model: Buffer): Buffer {
  const isThere = fieldsOf(model).some(
    ({ number, bytes }) => number === 8 && fieldsOf(bytes).some((one) => one.number === 1 && one.bytes.toString('utf8') === MICROSOFT),
  );
  return isThere ? model : message(model, field(8, message(field(1, MICROSOFT), field(2, 1))));
}
