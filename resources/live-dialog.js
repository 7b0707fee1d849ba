/** A node's dialog while it is open: what is chosen acts at once on the running node, and Cancel brings back what was. */
(() => {
  /** Somebody who has typed and then stops for this long wants to see it, ms. */
  const REST_MS = 500;
  let session;

  /** What differs; of what has parts, the parts that differ. */
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
   * Begins when the dialog opens. A node that was not deployed yet does not run: it gets nothing.
   * @param {string} path where the node is reached, such as denoisers/ID
   * @param {() => object} current the dialog's values by the names that are sent
   * @param {JQuery} [typed] fields that act while one types, when that rests; the others when they are left
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
      mine.told = now;
      mine.busy = true;
      mine.touched = true;
      // The newest choice counts: what changes meanwhile goes when this has been answered.
      mine.sent = window.StreamDiffusion.post(mine.path, { params: params })
        .done((answer) => {
          mine.over = mine.over || answer.code === 'ECLOSED';
        })
        .always(() => {
          mine.busy = false;
          send();
        });
    }

    mine.send = send;
    // Text counts when it is finished: half of a number is another number.
    $('#dialog-form').on('change.streamdiffusion-live', 'input, select, textarea', () => {
      setTimeout(send);
    });
    if (typed)
      typed.on('input.streamdiffusion-live', () => {
        clearTimeout(resting);
        resting = setTimeout(send, REST_MS);
      });
  }

  /** @param keep whether the node goes on with what was chosen */
  function endLive(keep) {
    const ended = session;
    session = undefined;
    if (!ended) return;
    $('#dialog-form').off('.streamdiffusion-live').find('*').off('.streamdiffusion-live');
    // What was typed last, and has not rested yet.
    if (keep) ended.send();
    ended.over = true;
    if (!ended.touched) return;
    ended.sent.always(() => {
      window.StreamDiffusion.post(ended.path, { end: keep ? 'keep' : 'restore' });
    });
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { prepareLive, endLive });
})();
