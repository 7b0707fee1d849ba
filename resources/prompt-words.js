/** Shows how a model reads a prompt as chips: known words, words that are read as others, unknown words, and added ones. */
window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, {
  PromptWords: (() => {
    const REST_MS = 250;

    /** The texts are the prompt encoder's, even in other dialogs. */
    function words(key, values) {
      return RED._(`@streamdiffusion/node-red/prompt:words.${key}`, values);
    }

    /** The first denoiser after a node, by wires and links; otherwise any denoiser. */
    function denoiserBehind(node) {
      const met = new Set([node]);
      for (const at of met) {
        if (at.type === 'streamdiffusion-denoiser' && !at.d) return at;
        RED.nodes.getNodeLinks(at, RED.view.PORT_TYPE_OUTPUT || 0).forEach((link) => {
          met.add(link.target);
        });
        if (at.type === 'link out')
          (at.links || [])
            .map(RED.nodes.node)
            .filter(Boolean)
            .forEach((next) => {
              met.add(next);
            });
      }
      return RED.nodes.filterNodes({ type: 'streamdiffusion-denoiser' })[0];
    }

    /** The query of the words route for a denoiser's engine, deployed or not. */
    function modelOf(denoiser) {
      const engine = denoiser && RED.nodes.node(denoiser.engine);
      return engine ? { id: engine.id, model: engine.model, modelType: engine.modelType } : { modelType: 'starter' };
    }

    function ask(denoiser, texts, list) {
      return window.StreamDiffusion.post('words', Object.assign(modelOf(denoiser), { texts: texts, list: list }));
    }

    function chip(kind, text, title) {
      return $('<span class="streamdiffusion-chip">').attr({ 'data-kind': kind, title: title }).text(text);
    }

    function chips(report, isNegative) {
      const list = report.words.map((each) => {
        if (!each.known)
          return chip('unknown', each.word, words('unknown'))
            .prepend('<i class="fa fa-question-circle" aria-hidden="true"></i> ')
            .append($('<span class="streamdiffusion-unseen">').text(` ${words('unknown')}`));
        const as = each.as.join(' ');
        if (as === '') return chip('silent', each.word, words('silent'));
        return as === each.word.toLowerCase()
          ? chip('known', each.word, words('known'))
          : chip('read', `${each.word} → ${as}`, words('read', { word: each.word, as: as }));
      });
      const added = isNegative ? [] : report.added.map((word) => chip('added', `+ ${word}`, words('added', { word: word })));
      return list.concat(added);
    }

    return {
      denoiserBehind: denoiserBehind,

      /** Puts the chips of texts into an element, once for each change. */
      show: (element, denoiser, texts) => {
        const key = JSON.stringify([modelOf(denoiser), texts]);
        if (element.data('texts') === key) return;
        element.data('texts', key);
        ask(denoiser, texts).done((answer) => {
          if (element.data('texts') !== key) return;
          element.empty().append((answer.reports || []).flatMap((report) => chips(report)));
        });
      },

      /**
       * Shows chips under a field while it is edited.
       *
       * @param {object} options
       * @param {JQuery} options.field
       * @param {object} options.node the prompt encoder
       * @param {boolean} [options.isNegative] for a negative prompt, to which no words are added
       */
      follow: ({ field, node, isNegative }) => {
        const element = $('<div class="streamdiffusion-chips" role="status">').insertAfter(field);
        let timer;
        let turn = 0;
        const look = () => {
          const mine = ++turn;
          ask(denoiserBehind(node), [field.val()]).done((answer) => {
            if (mine !== turn) return;
            element.empty().append(answer.reports ? chips(answer.reports[0], isNegative) : []);
            if (element.children().length === 0) element.empty();
          });
        };
        field.on('input change', () => {
          clearTimeout(timer);
          timer = setTimeout(look, REST_MS);
        });
        look();
      },

      /** Fills the <details> with the known words when it is opened. */
      explain: (details, node) => {
        details.one('toggle', () => {
          const body = $('<div class="streamdiffusion-known" tabindex="0">').appendTo(details);
          ask(denoiserBehind(node), [], true)
            .done((answer) => {
              if (!answer.known) return body.text(words('any'));
              const language = RED.i18n.lang().split('-')[0];
              const own = answer.known.others[language] || [];
              if (own.length > 0 && language !== 'en') body.append($('<p>').text(own.join(' · ')));
              body.append($('<p lang="en">').text(answer.known.list.join(' · ')));
            })
            .fail((request) => {
              body.text(window.StreamDiffusion.reason(request, words('failed', { status: request.status })));
            });
        });
      },
    };
  })(),
});
