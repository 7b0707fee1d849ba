/** A node's dialog while it is open: choices take effect on the running node at once, and Cancel restores the old settings. */
(() => {
  /** The pause after typing before the value is sent, ms. */
  const REST_MS = 500;
  let session;

  /** The values that differ; of objects, the parts that differ. */
  function changes(before, now) {
    const news = {};
    for (const [name, value] of Object.entries(now)) {
      if (!$.isPlainObject(value)) {
        if (before[name] !== value) news[name] = value;
        continue;
      }
      const parts = changes(before[name] || {}, value);
      if (Object.keys(parts).length > 0) news[name] = parts;
    }
    return news;
  }

  /**
   * Called when the dialog opens.
   *
   * @param {string} path the node's path, such as denoisers/ID
   * @param {() => object} current the dialog's values by the names that are sent
   * @param {JQuery} [typed] fields that are sent when typing pauses; others are sent when they lose the focus
   */
  function prepareLive(path, current, typed) {
    const mine = { path: path, told: current(), touched: false, busy: false, over: false };
    session = mine;
    let resting;

    function send() {
      clearTimeout(resting);
      if (mine.over || mine.busy) return;
      const now = current();
      const params = changes(mine.told, now);
      if (Object.keys(params).length === 0) return;
      const before = mine.told;
      mine.told = now;
      mine.busy = true;
      mine.touched = true;
      let absent = false;
      mine.sent = window.StreamDiffusion.post(mine.path, { params: params })
        .done((answer) => {
          absent = answer.code === 'ECLOSED';
        })
        .always(() => {
          mine.busy = false;
          // Changes during a request are sent after its answer.
          const changed = Object.keys(changes(now, current())).length > 0;
          // A node that is not there may just be starting after a deploy: it is told everything with the next change.
          if (absent) mine.told = before;
          if (changed) send();
        });
    }

    mine.send = send;
    // A text is sent when it is complete, since half of a number is another number.
    $('#dialog-form').on('change.streamdiffusion-live', 'input, select, textarea', () => {
      setTimeout(send);
    });
    if (typed)
      typed.on('input.streamdiffusion-live', () => {
        clearTimeout(resting);
        resting = setTimeout(send, REST_MS);
      });
  }

  /** @param keep whether the node keeps the new settings */
  function endLive(keep) {
    const ended = session;
    session = undefined;
    if (!ended) return;
    $('#dialog-form').off('.streamdiffusion-live').find('*').off('.streamdiffusion-live');
    // Sends the text that was typed last, without waiting for the pause.
    if (keep) ended.send();
    ended.over = true;
    if (!ended.touched) return;
    ended.sent.always(() => {
      window.StreamDiffusion.post(ended.path, { end: keep ? 'keep' : 'restore' });
    });
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { prepareLive, endLive });
})();
