/** Names of sinks and camera pages in the dialogs: they are part of an address, and unique among nodes of their kind. */
(() => {
  /** Addresses other than those of sinks and cameras. */
  const RESERVED = ['health'];

  /** @param competes selects the other nodes of the type that count; by default all */
  function isFree(node, name, competes) {
    return !RED.nodes
      .filterNodes({ type: node.type })
      .some((other) => other.id !== node.id && other.name === name && !other.d && (!competes || competes(other)));
  }

  /** The first of `wanted`, `wanted-2`, `wanted-3`, … that no other node of the type has; its own name, if that is free. */
  function freeName(node, wanted, competes) {
    const base = wanted.replace(/-\d+$/, '').slice(0, 60);
    let name = wanted;
    for (let number = 2; !isFree(node, name, competes); number++) name = `${base}-${number}`;
    return name;
  }

  /** The part of a name that is allowed in an address: lower-case letters, digits, - and _. An ä becomes an a, a space a hyphen. */
  function addressSafe(name) {
    return name
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .replace(/ß/g, 'ss')
      .replace(/[\s./\\:]+/g, '-')
      .replace(/[^a-z0-9_-]/g, '')
      .slice(0, 64);
  }

  /**
   * A validator for a name that is part of an address.
   *
   * @param competes whether another node of the type has an address of the same kind
   */
  function webName(competes) {
    // The editor shows a validator's own message only if the validator takes two arguments.
    return function (name, _options) {
      if (!/^[a-z0-9_-]{1,64}$/.test(name || '')) return this._('invalid.name');
      if (RESERVED.includes(name)) return this._('invalid.reserved', { name: name });
      return isFree(this, name, competes) || this._('invalid.taken', { name: name });
    };
  }

  /**
   * Prepares the field of a name that is part of an address: it is made valid while it is typed, and links are shown only while
   * they work.
   *
   * @param applies whether the name is part of an address at present; by default always
   * @param reason returns the error in a name, or true
   * @param show called with the name for its links
   * @returns a function that updates the field
   */
  function prepareWebName({ field, applies, reason, trouble, links, show }) {
    const applying = applies || (() => true);

    function tell() {
      const why = applying() ? reason(field.val()) : '';
      links.toggle(why === true);
      trouble.toggle(why !== true && why !== '').text(why === true ? '' : why);
      if (why === true) show(field.val());
    }

    function makeSafe(input) {
      const safe = addressSafe(input.value);
      if (safe === input.value) return;
      const caret = addressSafe(input.value.slice(0, input.selectionStart)).length;
      input.value = safe;
      input.setSelectionRange(caret, caret);
    }

    field
      .on('input compositionend', function (event) {
        // Letters that are still being composed by an input method are left alone.
        if (applying() && !event.originalEvent?.isComposing) makeSafe(this);
        tell();
      })
      .on('change', tell);
    tell();
    return tell;
  }

  /** Shows the QR code of a page's address below an element, if there is one. */
  function showCode(element, path, words) {
    const address = location.origin + path;
    if (element.data('address') === address) return;
    element.data('address', address).empty();
    $.ajax({ url: 'streamdiffusion/editor/qr', data: { to: address }, dataType: 'text' }).done((svg) => {
      if (element.data('address') !== address) return;
      const isLocal = /^(localhost|127\.|\[::1\])/.test(location.hostname);
      element.append(
        $('<img width="128" height="128">').attr({
          src: `data:image/svg+xml,${encodeURIComponent(svg)}`,
          alt: words('code.of', { address: address }),
        }),
      );
      element.append($('<span>').text(words(isLocal ? 'code.onlyHere' : 'code.scan')));
    });
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { showCode, addressSafe, freeName, webName, prepareWebName });
})();
