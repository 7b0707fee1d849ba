/** The picture of a prompt encoder's dialog: the path of a file on the server, or a small copy that is kept in the flow. */
window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, {
  PromptPicture: (() => {
    /** The longer side of the copy, pixels: image encoders use 224 to 336 pixels of the middle. */
    const SIZE = 448;
    const QUALITY = 0.85;

    function words(key) {
      return RED._(`@streamdiffusion/node-red/prompt:picture.${key}`);
    }

    /** @returns {Promise<string>} a data URI of some tens of KiB; rejects where the browser cannot show the file */
    async function reduced(file) {
      const bitmap = await createImageBitmap(file);
      const scale = Math.min(1, SIZE / Math.max(bitmap.width, bitmap.height));
      const canvas = document.createElement('canvas');
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      const context = canvas.getContext('2d');
      // JPEGs have no transparency.
      context.fillStyle = 'white';
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      return canvas.toDataURL('image/jpeg', QUALITY);
    }

    /**
     * @param field the saved field: a path, a data URI, or nothing
     * @param path the input for a path
     * @param shown the preview of the picture in the flow
     */
    function prepare({ field, path, file, choose, remove, shown, problem }) {
      function show() {
        const value = field.val();
        const isKept = value.startsWith('data:');
        path.val(isKept ? '' : value).attr('placeholder', words(isKept ? 'kept' : 'none'));
        shown.toggle(isKept).attr('src', isKept ? value : null);
        remove.toggle(value !== '');
      }

      function set(value) {
        problem.text('');
        field.val(value).trigger('change');
        show();
      }

      path.on('change', () => set(path.val().trim()));
      remove.on('click', (event) => {
        event.preventDefault();
        set('');
      });
      choose.on('click', (event) => {
        event.preventDefault();
        file.trigger('click');
      });
      file.on('change', () => {
        const [chosen] = file[0].files;
        file.val('');
        if (!chosen) return;
        reduced(chosen).then(set, () => problem.text(words('failed')));
      });
      show();
    }

    return { prepare };
  })(),
});
