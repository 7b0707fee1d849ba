/** The sidebar tab: every stream with its pictures, figures, strength and prompt. It polls only while it is visible. */
(() => {
  const ID = 'streamdiffusion';
  const POLL_MS = 1000;
  let timer;

  /** @param {(key: string, values?: object) => string} words */
  function addSidebar(words) {
    if (timer) return;
    const content = $('<div class="streamdiffusion-sidebar">');
    const empty = $('<p>').text(words('sidebar.empty')).appendTo(content);
    const trouble = $('<p class="streamdiffusion-trouble">').hide().appendTo(content);
    const list = $('<div>').appendTo(content);
    /** The streams that are shown, by node and topic. */
    let cards = {};
    let asking = false;

    RED.sidebar.addTab({
      id: ID,
      label: words('sidebar.label'),
      name: words('sidebar.name'),
      content: content,
      enableOnEdit: true,
      iconClass: 'fa fa-picture-o',
    });

    function show(streams) {
      const before = cards;
      let above;
      cards = {};
      streams.forEach((stream) => {
        const key = JSON.stringify([stream.id, stream.topic]);
        cards[key] = before[key] || window.StreamDiffusion.streamCard(stream, words);
        const { element } = cards[key];
        if (!before[key]) above ? element.insertAfter(above) : element.prependTo(list);
        above = element;
        cards[key].update(stream);
      });
      Object.keys(before).forEach((key) => {
        if (!cards[key]) before[key].element.remove();
      });
      empty.toggle(streams.length === 0);
      trouble.hide();
    }

    timer = setInterval(() => {
      if (asking || document.hidden || !content.is(':visible')) return;
      asking = true;
      $.getJSON('streamdiffusion/streams')
        .done(show)
        .fail((request) => {
          trouble.text(words('check.failed', { status: request.status })).show();
        })
        .always(() => {
          asking = false;
        });
    }, POLL_MS);
  }

  function removeSidebar() {
    clearInterval(timer);
    timer = undefined;
    RED.sidebar.removeTab(ID);
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { addSidebar, removeSidebar });
})();
