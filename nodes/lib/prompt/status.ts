import type { Node, NodeAPI } from 'node-red';
import { askWords, modelBehind } from './words';
import { shorten, type Status } from '../common/status';

/** As much as fits below the node: the next one stands beside it, with a status of its own. */
const LENGTH = 32;

/** The status of a prompt encoder: its prompt and, in yellow, how many of its words the model does not know. */
export class PromptStatus {
  private text: string | undefined;
  private model: string | undefined;
  private unknown = 0;

  constructor(
    private readonly RED: NodeAPI,
    private readonly node: Pick<Node, 'id'>,
    private readonly status: Status,
  ) {}

  /** Another flow may have another model: to be called when flows have started. */
  refresh(): void {
    this.model = modelBehind(this.RED, this.node.id);
    const { text } = this;
    this.text = undefined;
    if (text !== undefined) this.show(text);
  }

  show(text: string): void {
    if (text !== this.text) {
      this.text = text;
      this.unknown = 0;
      void this.count(text);
    }
    if (this.unknown === 0) return this.status.ready(shorten(text, LENGTH) || this.RED._('status.empty'));
    const unknown = this.RED._(this.unknown === 1 ? 'status.unknownWord' : 'status.unknownWords', { number: this.unknown });
    this.status.show('waiting', shorten(`${unknown} · ${text}`, LENGTH));
  }

  private async count(text: string): Promise<void> {
    if (this.model === undefined) return;
    // What is wrong with a model is said by its engine.
    const { reports = [] } = await askWords(this.model, [text]).catch(() => ({ reports: [] }));
    const unknown = new Set(reports.flatMap(({ words }) => words.flatMap(({ word, known }) => (known ? [] : word.toLowerCase()))));
    if (text !== this.text || unknown.size === 0) return;
    this.unknown = unknown.size;
    this.show(text);
  }
}
