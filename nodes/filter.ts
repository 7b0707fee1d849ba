import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  SimilarityFilter,
  SIMILARITY_MEASURES,
  type SimilarityFilterOptions,
  thumbnailSizeFor,
} from '../engine/diffusion/similarity-filter';
import { onChange } from './lib/common/changes';
import { onClose } from './lib/common/closing';
import { ErrorThrottle, disableNode } from './lib/common/error-throttle';
import { readOptionalChoice, readOptionalNumber } from './lib/common/fields';
import { FilterTopic } from './lib/filter/topic';
import { onInput, withCode } from './lib/common/input';
import { isReset, isSettingsOnly, topicOf } from './lib/common/message';
import { startNode } from './lib/common/start-node';
import { PerTopic } from './lib/common/per-topic';

interface FilterDef extends NodeDef {
  threshold?: string | number;
  maxSkipFrame?: string | number;
  measure?: string;
  seed?: string | number;
}

const MAX_TOPICS = 32;

/** The similarity filter: frames that resemble the last one that passed are mostly skipped. */
export = (RED: NodeAPI): void => {
  function StreamDiffusionFilter(this: Node, def: FilterDef): void {
    const status = startNode(RED, this, def);
    const counts = { passed: 0, skipped: 0 };
    const faults = new ErrorThrottle();
    let options: SimilarityFilterOptions;
    try {
      options = readFields(def);
    } catch (thrown) {
      disableNode(this, status, thrown);
      return;
    }
    const topics = new PerTopic(
      MAX_TOPICS,
      () => new FilterTopic(new SimilarityFilter(options), thumbnailSizeFor(options.measure)),
      (old) => old.close(),
    );

    // New settings change the result of a still scene, too, so the next frame passes as after a reset.
    const letPass = (name: string): void => {
      for (const topic of topics.concerned(name)) topic.reset();
    };
    const deafen = onChange(RED, letPass);

    onInput(this, async (msg, send) => {
      if (isReset(msg) || isSettingsOnly(msg)) letPass(topicOf(msg));
      if (isSettingsOnly(msg)) return send([msg, null]);
      const judging = topics.get(topicOf(msg)).judge(msg, (verdict) => {
        counts[verdict]++;
        faults.clear();
        send(verdict === 'passed' ? [msg, null] : [null, msg]);
      });
      await judging.catch((thrown: unknown) => {
        const error = withCode(thrown);
        if (error.code === 'EBADFRAME') throw error;
        // A fault of this machine is shown once, not with every frame.
        status.error(error);
        faults.report(error);
      });
    });

    const ticker = setInterval(() => {
      const { passed, skipped } = counts;
      counts.passed = counts.skipped = 0;
      if (faults.current) return;
      if (passed + skipped === 0) status.ready();
      else status.show('running', RED._('status.rate', { passed, percent: Math.round((100 * skipped) / (passed + skipped)) }));
    }, 1000).unref();

    onClose(this, () => {
      clearInterval(ticker);
      deafen();
      status.close();
      for (const topic of topics.clear()) topic.close();
    });
  }

  RED.nodes.registerType('streamdiffusion-filter', StreamDiffusionFilter);
};

/** @throws EBADPARAM */
function readFields(def: FilterDef): SimilarityFilterOptions {
  return {
    threshold: readOptionalNumber(def.threshold, 'threshold', 0.98, { min: 0, max: 1 }),
    maxSkipFrame: readOptionalNumber(def.maxSkipFrame, 'maxSkipFrame', 10, { min: 0, integer: true }),
    measure: readOptionalChoice(def.measure, 'measure', 'cosine', SIMILARITY_MEASURES),
    seed: readOptionalNumber(def.seed, 'seed', 2, { min: 0, integer: true }),
  };
}
