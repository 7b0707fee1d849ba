/** The denoiser's dialog while it is open: what is chosen acts at once on the running streams, and Cancel brings back what was. */
(() => {
  const FIELDS = [
    'mode',
    'width',
    'height',
    'numInferenceSteps',
    'cfgType',
    'guidanceScale',
    'delta',
    'scheduler',
    'eta',
    'seed',
    'seeds',
    'seedDrift',
    'motionNoise',
    'feedback',
    'feedbackZoom',
    'feedbackRotate',
    'feedbackX',
    'feedbackY',
    'latentFeedback',
    'followNewest',
    'frameBufferSize',
    'useDenoisingBatch',
    'doAddNoise',
    'format',
    'quality',
  ];
  let session;

  /** The dialog as `msg.params` would say it. Empty fields say nothing, but for the blend of seeds, which then ends. */
  function current() {
    const field = (name) => $(`#node-input-${name}`);
    const steps = field('stepsBy').val() === 'list' ? ['tIndexList'] : ['strength', 'steps'];
    const entries = FIELDS.concat(steps).map((name) => {
      const input = field(name);
      return [name, input.is(':checkbox') ? input.prop('checked') : input.val()];
    });
    return Object.fromEntries(
      entries.filter(([name, value]) => name === 'seeds' || (value !== '' && value !== null && value !== undefined)),
    );
  }

  function changes(before, now) {
    return Object.fromEntries(Object.entries(now).filter(([name, value]) => before[name] !== value));
  }

  /** Begins when the dialog opens. A node that was not deployed yet has no streams: nothing is sent of it. */
  function prepareLive(node) {
    const mine = { id: node.id, told: current(), touched: false, busy: false, over: false };
    session = mine;

    function send() {
      if (mine.over || mine.busy) return;
      const now = current();
      const params = changes(mine.told, now);
      if (Object.keys(params).length === 0) return;
      mine.told = now;
      mine.busy = true;
      mine.touched = true;
      // The newest choice counts: what changes meanwhile goes when this has been answered.
      mine.sent = window.StreamDiffusion.post(`denoisers/${encodeURIComponent(mine.id)}`, { params: params })
        .done((answer) => {
          mine.over = mine.over || answer.code === 'ECLOSED';
        })
        .always(() => {
          mine.busy = false;
          send();
        });
    }

    // Text counts when it is finished: half of a number is another number.
    $('#dialog-form').on('change.streamdiffusion-live', 'input, select', () => {
      setTimeout(send);
    });
  }

  /** @param keep whether the streams go on with what was chosen */
  function endLive(keep) {
    const ended = session;
    session = undefined;
    if (!ended) return;
    $('#dialog-form').off('.streamdiffusion-live');
    ended.over = true;
    if (!ended.touched) return;
    const end = () => {
      window.StreamDiffusion.post(`denoisers/${encodeURIComponent(ended.id)}`, { end: keep ? 'keep' : 'restore' });
    };
    ended.sent.always(end);
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { prepareLive, endLive });
})();
