/** The control map's dialog: sliders for its numbers, and the running node's map while they are moved. */
(() => {
  /** The useful range and the step of each slider. Numbers beyond can be typed. */
  const SLIDERS = {
    low: [0, 400, 1],
    high: [0, 400, 1],
    threshold: [0, 255, 1],
    grow: [-50, 50, 1],
    trail: [0, 1, 0.01],
    radius: [0, 20, 0.5],
  };
  /** The pause before the map is fetched again, ms. */
  const LOOK_EVERY = 200;
  /** Kinds that need a deploy: one learns a room, the other is drawn in a process of its own. */
  const BOUND = ['silhouette', 'net'];

  const field = (name) => $(`#node-input-${name}`);

  /** The dialog's values that take effect at once. An empty one stands for the default. The size is left out for a silhouette, which would have to learn its room again. */
  function controlParams() {
    const names = ['kind', ...(field('kind').val() === 'silhouette' ? [] : ['size']), ...Object.keys(SLIDERS)];
    return Object.fromEntries([...names.map((name) => [name, field(name).val()]), ['invert', field('invert').prop('checked')]]);
  }

  /** Adds a slider before a field; it shows the default while the field is empty. */
  function slide(name, words) {
    const [min, max, step] = SLIDERS[name];
    const input = field(name);
    const slider = $('<input type="range" class="streamdiffusion-slider">').attr({ min, max, step, 'aria-label': words(`label.${name}`) });
    const show = () => slider.val(input.val() === '' ? input.attr('placeholder') : input.val());
    slider.insertBefore(input).on('input', () => {
      input.val(slider.val()).trigger('change');
    });
    input.on('input change', show);
    $('#node-input-kind').on('change', show);
    show();
  }

  /** Keeps showing the newest map of the running node while the dialog is open. */
  function watch(node, words) {
    const image = $('#control-preview img');
    const note = $('#control-preview div');
    const isThere = () => document.contains(image[0]);

    function show(streams) {
      if (!isThere()) return;
      const kind = field('kind').val() || 'edges';
      const running = node.kind || 'edges';
      const comesLater = kind !== running && [kind, running].some((one) => BOUND.includes(one));
      const picture = streams.find((stream) => stream.picture)?.picture;
      image.toggle(Boolean(picture));
      if (picture) image.attr('src', `data:image/jpeg;base64,${picture}`);
      note.text(comesLater ? words('preview.later') : picture ? '' : words('preview.none'));
      setTimeout(look, LOOK_EVERY);
    }

    function look() {
      if (!isThere()) return;
      if (document.hidden) setTimeout(look, LOOK_EVERY);
      else
        $.getJSON('streamdiffusion/streams', { node: node.id })
          .done(show)
          .fail(() => show([]));
    }
    look();
  }

  /** Prepares the open dialog of a control map. */
  function prepareControl(node) {
    const words = (key) => node._(key);
    for (const name of Object.keys(SLIDERS)) slide(name, words);
    watch(node, words);
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { controlParams, prepareControl });
})();
