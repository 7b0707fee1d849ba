/** The part of the engine's dialog for an inference server. */
window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, {
  EngineServer: (() => {
    const NETS = ['unet', 'vae_encoder', 'vae_decoder', 'text_encoder'];
    const FIELDS = [
      'serverAddresses',
      'serverNets',
      'serverPrefix',
      'serverLogin',
      'serverCa',
      'serverTimeout',
      'serverToken',
      'serverUser',
      'serverPassword',
    ];
    /** Whether an address is valid. Without a scheme it is HTTP. An environment variable is only known where the flow runs. */
    const ADDRESS =
      /^((https?:\/\/)?[^\s/@?#:]+(:\d{1,5})?(\/[^\s?#]*)?|(https?:\/\/)?\[[\da-f:.]+\](:\d{1,5})?(\/[^\s?#]*)?|grpcs?:\/\/([^\s/@?#:]+|\[[\da-f:.]+\])(:\d{1,5})?\/?|\$\{\w+\})$/i;

    function input(name) {
      return $(`#node-config-input-${name}`);
    }

    function split(text) {
      return (text || '').split(/[\s,;]+/).filter(Boolean);
    }

    /** A validator: the error in the addresses, or true. While the dialog is open, its current choice counts. */
    function addresses(value, _options) {
      const open = input('runOn');
      if ((open.length ? open.val() : this.runOn) !== 'server') return true;
      const list = split(value);
      if (list.length === 0) return this._('invalid.noAddress');
      const wrong = list.find((each) => !ADDRESS.test(each));
      return wrong === undefined || this._('invalid.address', { address: wrong });
    }

    function showNets(node) {
      const chosen = split(input('serverNets').val() || 'unet');
      const boxes = NETS.map((net) => {
        const box = $('<input type="checkbox">').val(net).prop('checked', chosen.includes(net));
        return $('<label>').append(box, ' ', document.createTextNode(node._(`server.nets.${net}`)));
      });
      $('#engine-server-nets')
        .append(boxes)
        .on('change', function () {
          const names = $(this)
            .find(':checked')
            .map(function () {
              return this.value;
            })
            .get();
          input('serverNets').val(names.join(', ')).trigger('change');
          tell();
        });
      const tell = () => {
        const reason =
          split(input('serverNets').val()).length === 0 ? node._('invalid.noNet') : addresses.call(node, input('serverAddresses').val());
        $('#engine-server-trouble')
          .toggle(reason !== true)
          .text(reason === true ? '' : reason);
      };
      return tell;
    }

    function check(node, model) {
      const result = $('#engine-server-result').removeClass('streamdiffusion-trouble').text(node._('server.busy')).show();
      const adapters = JSON.stringify(window.StreamDiffusion.EngineAdapters.value());
      const asked = Object.assign({ id: node.id, adapters }, model());
      FIELDS.forEach((name) => {
        const value = input(name).val() || '';
        // A saved password is shown as a placeholder, which is not the password.
        if (value !== '__PWRD__') asked[name] = value;
      });
      window.StreamDiffusion.post('engine/server', asked)
        .done((answer) => {
          result.toggleClass('streamdiffusion-trouble', !answer.usable).text(answer.lines.join('\n'));
        })
        .fail((request) => {
          result.addClass('streamdiffusion-trouble').text(node._('check.failed', { status: request.status }));
        });
    }

    return {
      addresses: addresses,

      /** @param {{node: object, model: () => object}} options the engine node, and the model in its dialog */
      prepare: ({ node, model }) => {
        ['runOn', 'serverLogin'].forEach((name) => {
          // Older flows do not have these settings.
          if (!input(name).val()) input(name).val(name === 'runOn' ? 'here' : 'none');
        });
        if (node.serverNets === undefined) input('serverNets').val('unet');
        if (node.serverTimeout === undefined) input('serverTimeout').val('10');
        const tell = showNets(node);
        input('serverAddresses').on('input change', tell);
        input('runOn')
          .on('change', function () {
            $('#engine-server').toggle($(this).val() === 'server');
            input('serverAddresses').trigger('change');
          })
          .trigger('change');
        input('serverLogin')
          .on('change', function () {
            const login = $(this).val();
            $('#engine-server [data-login]').each(function () {
              $(this).toggle($(this).data('login') === login);
            });
          })
          .trigger('change');
        $('#engine-server').on('input change', () => {
          $('#engine-server-result').hide();
        });
        $('#engine-server-check').on('click', () => {
          check(node, model);
        });
      },
    };
  })(),
});
