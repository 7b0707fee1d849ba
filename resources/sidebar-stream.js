/** One stream in the sidebar: its input and output pictures, its figures, and its strength and prompt, which can be changed. */
(() => {
  /** The pause after typing before the value is sent, ms. */
  const REST_MS = 500;
  /** For this long after a change, older values from the server are ignored, ms. */
  const SETTLE_MS = 2000;

  /** The share of frames that were dropped between two updates, percent. */
  function leftOut(stream, last) {
    const came = stream.in - last.in;
    return came > 0 ? Math.round((100 * (stream.dropped - last.dropped)) / came) : 0;
  }

  /** Sends values one after the other, skipping all but the newest. */
  function newestFirst(send) {
    let isBusy = false;
    let waiting;
    return function give(value) {
      waiting = value;
      if (isBusy) return;
      isBusy = true;
      waiting = undefined;
      send(value).always(() => {
        isBusy = false;
        if (waiting !== undefined) give(waiting);
      });
    };
  }

  /** Controls that are being changed, for which the server's older values are ignored. */
  function handOn(input) {
    let touchedAt = -Infinity;
    input.on('input', () => {
      touchedAt = performance.now();
    });
    return () => input.is(':focus:not([type=range]), :active') || performance.now() - touchedAt < SETTLE_MS;
  }

  const shownPicture = (base64) => (base64 ? `data:image/jpeg;base64,${base64}` : undefined);

  /**
   * @param {object} first the server's description of the stream
   * @param {(key: string, values?: object) => string} words
   * @returns {{ element: JQuery, update: (stream: object) => void }}
   */
  function streamCard(first, words) {
    const { post, reason, sliderRange, isOnStarter, PromptWords } = window.StreamDiffusion;
    let last = first;

    const name = $('<a href="#">').on('click', (event) => {
      event.preventDefault();
      RED.view.reveal(first.id);
    });
    const source = $('<img>').attr('alt', words('sidebar.comesIn'));
    const picture = $('<img>').attr('alt', words('sidebar.goesOut'));
    const pictures = $('<div class="streamdiffusion-pictures">').append(source, picture);
    const figures = $('<div class="streamdiffusion-figures">');
    const slider = $('<input type="range" min="0" max="1" step="0.01">').attr('aria-label', words('sidebar.strength'));
    const value = $('<output>');
    const strength = $('<div class="streamdiffusion-strength">').append($('<span>').text(words('sidebar.strength')), slider, value);
    const prompt = $('<textarea rows="2">').attr('aria-label', words('sidebar.prompt'));
    const blend = $('<p>');
    const chips = $('<div class="streamdiffusion-chips">');
    const trouble = $('<p class="streamdiffusion-trouble" role="status">').hide();
    const element = $('<div class="streamdiffusion-stream">').append(name, pictures, figures, strength, prompt, blend, chips, trouble);

    const changing = (path, toBody) =>
      newestFirst((chosen) =>
        post(path(), Object.assign({ topic: first.topic }, toBody(chosen)))
          .done((answer) => {
            trouble.toggle(!answer.applied).text(answer.message || '');
          })
          .fail((request) => {
            trouble.text(reason(request, words('check.failed', { status: request.status }))).show();
          }),
      );
    const denoiser = () => `denoisers/${encodeURIComponent(first.id)}`;
    const setStrength = changing(denoiser, (chosen) => ({ params: { strength: chosen } }));
    // Frames bring their prompt from the encoder before the denoiser, if there is one.
    const setPrompt = changing(
      () => (last.encoder ? `prompts/${encodeURIComponent(last.encoder)}` : denoiser()),
      (text) => (last.encoder ? { params: { prompt: text } } : { prompt: text }),
    );

    slider.on('input', () => {
      value.text(slider.val());
      setStrength(slider.val());
    });
    let resting;
    prompt.on('input', () => {
      clearTimeout(resting);
      resting = setTimeout(() => {
        setPrompt(prompt.val());
      }, REST_MS);
    });
    const isSliding = handOn(slider);
    const isTyping = handOn(prompt);

    function showFigures(stream) {
      const rate = stream.fps >= 10 ? Math.round(stream.fps) : Math.round(stream.fps * 10) / 10;
      const lines = [
        stream.fps > 0 ? words('sidebar.running', { fps: rate, ms: Math.round(stream.latencyMs) }) : words('sidebar.resting'),
        words('sidebar.dropped', { percent: leftOut(stream, last), total: stream.dropped }),
      ];
      if (stream.failed > 0) lines.push(words('sidebar.failed', { total: stream.failed }));
      figures.empty().append(lines.map((line) => $('<div>').text(line)));
    }

    function showStrength(stream, node) {
      strength.toggle(stream.mode === 'img2img');
      // A control map has neither strength nor prompt.
      if (stream.strength === undefined || isSliding()) return;
      const [min, max] = sliderRange(isOnStarter(node && RED.nodes.node(node.engine)), stream.strength);
      slider.attr({ min: min, max: max }).val(stream.strength);
      value.text(Math.round(stream.strength * 100) / 100);
    }

    function showPrompt(stream, node) {
      if (!stream.prompt) {
        prompt.add(blend).hide();
        return;
      }
      const isBlend = stream.prompt.length > 1;
      const texts = stream.prompt.map((part) => part.text);
      prompt.toggle(!isBlend);
      blend.toggle(isBlend).text(stream.prompt.map((part) => `${part.text} (${Math.round(part.weight * 100) / 100})`).join(' + '));
      if (isTyping()) return;
      prompt.val(texts[0] || '');
      PromptWords.show(chips, node, texts);
    }

    return {
      element: element,
      update: (stream) => {
        const node = RED.nodes.node(stream.id);
        const label = node ? RED.utils.getNodeLabel(node, stream.id) : stream.id;
        name.text(stream.topic ? `${label} · ${stream.topic}` : label);
        showFigures(stream);
        showStrength(stream, node);
        showPrompt(stream, node);
        if (stream.picture) picture.attr('src', shownPicture(stream.picture));
        source.toggle(Boolean(stream.source));
        if (stream.source) source.attr('src', shownPicture(stream.source));
        last = stream;
      },
    };
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { streamCard });
})();
