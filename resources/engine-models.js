/**
 * The list of models in the engine's dialog: those on this machine, those that can be downloaded, and downloads under way.
 *
 * @param {object} options
 * @param {JQuery} options.panel the element of the list
 * @param {string} options.id of the engine node, whose saved token is used if none was typed
 * @param {() => string} options.token returns the typed token
 * @param {(folder: string) => void} options.onUse called with the chosen model's folder
 * @param {(path: string) => void} options.onAdapter called with the chosen adapter's path
 * @param {(folder: string) => void} options.onAutoencoder called with the folder of the chosen autoencoder
 * @param {(key: string, values?: object) => string} options.words
 */
function EngineModels(options) {
  const { panel, id, token, onUse, onAutoencoder, onAdapter, words } = options;
  const { bytes, time, post, reason } = window.StreamDiffusion;
  const POLL_MS = 700;
  const downloads = $('<div>').appendTo(panel);
  const installed = $('<div>').appendTo(panel);
  const known = $('<div>').appendTo(panel);
  const trouble = $('<div class="form-tips streamdiffusion-trouble">').hide().appendTo(panel);
  const another = $('#engine-another').detach().appendTo(panel).show();
  let polling = false;

  function button(label, icon, action) {
    return $('<button type="button" class="red-ui-button red-ui-button-small">')
      .append($('<i>').addClass(`fa ${icon}`), ' ', document.createTextNode(words(label)))
      .on('click', action);
  }

  function heading(label, detail) {
    return $('<h5>')
      .text(`${words(label)} `)
      .append($('<small>').text(detail || ''));
  }

  function row(name, facts, about) {
    const text = $('<div class="streamdiffusion-model-text">').append($('<b>').text(name), ' ', $('<span>').text(facts));
    if (about) text.append($('<p>').text(about));
    return $('<div class="streamdiffusion-model">').append(text);
  }

  function isAutoencoder({ nets }) {
    return nets.length > 0 && nets.every((net) => net.startsWith('vae_'));
  }

  function kindOf(model) {
    if (model.usable) return words(model.nets.includes('vae_encoder') ? 'models.both' : 'models.txt2img');
    if (model.adapters.length > 0)
      return words('models.adapter', { kind: model.adapters.map(({ kind }) => words(`adapters.kind.${kind}`)).join(', ') });
    return words(isAutoencoder(model) ? 'models.autoencoder' : 'models.unusable');
  }

  function showInstalled(list) {
    installed.empty().append(heading('models.installed', list.folder));
    if (list.installed.length === 0) installed.append($('<p>').text(words('models.none')));
    list.installed.forEach((model) => {
      const isPart = !model.usable && isAutoencoder(model);
      const problem = model.usable || isPart || model.adapters.length > 0 ? '' : model.problems[0];
      const [label, use] = isPart ? ['models.useAutoencoder', onAutoencoder] : ['models.use', onUse];
      const entry = row(model.name, `${bytes(model.bytes)} · ${kindOf(model)}`, problem).appendTo(installed);
      const adding = model.adapters.map(({ path }) => ['models.useAdapter', () => onAdapter(path)]);
      for (const [word, act] of adding.length > 0 ? adding : [[label, () => use(model.folder)]])
        entry.append(button(word, 'fa-check', act));
    });
  }

  function showKnown(list) {
    known.empty().append(heading('models.known'), $('<p>').text(words('models.unopened')));
    list.known
      .filter((each) => !list.installed.some((model) => model.repository === each.repository))
      .forEach((each) => {
        const about = words(`about.${each.repository}`, { defaultValue: each.about });
        const page = $('<a target="_blank" rel="noopener noreferrer">')
          .attr('href', `https://huggingface.co/${each.repository}`)
          .text(words('models.page'));
        const entry = row(each.repository, `${bytes(each.bytes)} · ${words('models.licence', { licence: each.licence })}`, about);
        entry.find('p').append(' ', page);
        entry
          .append(
            button('models.download', 'fa-download', () => {
              start(each.repository);
            }),
          )
          .appendTo(known);
      });
  }

  function inWords(download) {
    const { state, progress, retrying, error, folder } = download;
    if (state === 'done') return words('models.complete', { folder: folder });
    if (state === 'cancelled') return words('models.cancelled');
    if (state === 'failed') return error.message;
    if (retrying) return words('models.retrying', { reason: retrying });
    if (!progress) return words('models.asking');
    const amount = words('models.amount', { done: bytes(progress.doneBytes), total: bytes(progress.totalBytes) });
    if (progress.phase === 'checking') return words('models.checking', { amount: amount });
    const left = progress.remainingMs === undefined ? '' : ` · ${words('models.left', { time: time(progress.remainingMs) })}`;
    return `${amount} · ${words('models.speed', { amount: bytes(progress.bytesPerSecond) })}${left}`;
  }

  function showDownload(download) {
    const { repository, state, progress, folder } = download;
    const entry = row(repository, '', inWords(download)).attr('data-state', state);
    if (state === 'running') {
      const share = progress && progress.totalBytes > 0 ? progress.doneBytes / progress.totalBytes : 0;
      $('<progress max="1">')
        .val(share)
        .attr('title', `${Math.floor(share * 100)} %`)
        .appendTo(entry.find('.streamdiffusion-model-text'));
    }
    if (state === 'done')
      entry.append(
        button('models.use', 'fa-check', () => {
          onUse(folder);
        }),
      );
    if (state === 'failed' || state === 'cancelled')
      entry.append(
        button('models.again', 'fa-repeat', () => {
          start(repository);
        }),
      );
    const label = state === 'running' ? 'models.cancel' : 'models.dismiss';
    return entry.append(
      button(label, 'fa-times', () => {
        send('cancel', { repository: repository });
      }),
    );
  }

  function showDownloads(states) {
    downloads.empty();
    if (states.length > 0) downloads.append(heading('models.downloads'), states.slice().reverse().map(showDownload));
    const running = states.some((each) => each.state === 'running');
    if (running && !polling) poll(states);
  }

  /** Polls while downloads are under way and the list is visible; a download that ended may have added a model. */
  function poll(before) {
    polling = true;
    setTimeout(() => {
      polling = false;
      if (!panel.closest('body').length) return;
      $.getJSON('streamdiffusion/models/downloads')
        .done((states) => {
          const ended = before.some(
            (each) => each.state === 'running' && !states.some((now) => now.repository === each.repository && now.state === 'running'),
          );
          if (ended) refresh();
          else showDownloads(states);
        })
        .fail(() => {
          poll(before);
        });
    }, POLL_MS);
  }

  function send(path, body) {
    trouble.hide();
    post(`models/${path}`, body)
      .done(refresh)
      .fail((request) => {
        trouble.text(reason(request, words('check.failed', { status: request.status }))).show();
      });
  }

  function start(repository) {
    panel.scrollTop(0);
    send('downloads', { repository: repository, token: token(), id: id });
  }

  function refresh() {
    $.getJSON('streamdiffusion/models')
      .done((list) => {
        showInstalled(list);
        showKnown(list);
        showDownloads(list.downloads);
      })
      .fail((request) => {
        trouble.text(words('check.failed', { status: request.status })).show();
      });
  }

  another.find('button').on('click', () => {
    const repository = another
      .find('input')
      .val()
      .trim()
      .replace(/^https?:\/\/[^/]+\//, '')
      .replace(/\/(tree\/main)?\/?$/, '');
    if (repository) start(repository);
  });
  refresh();
}

window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { EngineModels });
