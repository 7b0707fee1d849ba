/** The properties of a WebSocket's message; none if it is not a JSON object. */
export function readJsonMessage(data: Buffer): Record<string, unknown> {
  try {
    const message: unknown = JSON.parse(data.toString());
    return typeof message === 'object' && message !== null ? (message as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
