/** The sidebar tab: a small live picture, rate, latency and left-out frames of every stream. Asks only while it is seen. */
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
    /** What is shown of each stream, by node and topic. */
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

    function newCard(stream) {
      const card = { picture: $('<img alt="">'), name: $('<a href="#">'), figures: $('<div>'), last: stream };
      card.element = $('<div class="streamdiffusion-stream">')
        .append(card.picture, $('<div>').append(card.name, card.figures))
        .appendTo(list);
      card.name.on('click', (event) => {
        event.preventDefault();
        RED.view.reveal(stream.id);
      });
      return card;
    }

    /** The share of frames that were left out since the sidebar asked last, in percent. */
    function leftOut(stream, last) {
      const came = stream.in - last.in;
      return came > 0 ? Math.round((100 * (stream.dropped - last.dropped)) / came) : 0;
    }

    function update(card, stream) {
      const node = RED.nodes.node(stream.id);
      const name = node ? RED.utils.getNodeLabel(node, stream.id) : stream.id;
      card.name.text(stream.topic ? `${name} · ${stream.topic}` : name);
      const rate = stream.fps >= 10 ? Math.round(stream.fps) : Math.round(stream.fps * 10) / 10;
      const lines = [
        stream.fps > 0 ? words('sidebar.running', { fps: rate, ms: Math.round(stream.latencyMs) }) : words('sidebar.resting'),
        words('sidebar.dropped', { percent: leftOut(stream, card.last), total: stream.dropped }),
      ];
      if (stream.failed > 0) lines.push(words('sidebar.failed', { total: stream.failed }));
      card.figures.empty().append(lines.map((line) => $('<div>').text(line)));
      if (stream.picture) card.picture.attr('src', `data:image/jpeg;base64,${stream.picture}`);
      card.last = stream;
    }

    function show(streams) {
      const before = cards;
      cards = {};
      streams.forEach((stream) => {
        const key = JSON.stringify([stream.id, stream.topic]);
        cards[key] = before[key] || newCard(stream);
        update(cards[key], stream);
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
