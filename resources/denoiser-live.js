/** The settings that the open denoiser dialog sends to the running streams. */
(() => {
  const FIELDS = [
    'mode',
    'width',
    'height',
    'numInferenceSteps',
    'cfgType',
    'guidanceScale',
    'delta',
    'scheduler',
    'eta',
    'seed',
    'seeds',
    'seedDrift',
    'motionNoise',
    'feedback',
    'feedbackZoom',
    'feedbackRotate',
    'feedbackX',
    'feedbackY',
    'latentFeedback',
    'maskFeather',
    'followNewest',
    'frameBufferSize',
    'useDenoisingBatch',
    'doAddNoise',
    'format',
    'quality',
  ];

  /** The dialog's fields as `msg.params`. Empty fields are left out, except the blend of seeds, which ends then. */
  function denoiserParams() {
    const field = (name) => $(`#node-input-${name}`);
    const steps = field('stepsBy').val() === 'list' ? ['tIndexList'] : ['strength', 'steps'];
    const entries = FIELDS.concat(steps).map((name) => {
      const input = field(name);
      return [name, input.is(':checkbox') ? input.prop('checked') : input.val()];
    });
    const said = entries.filter(([name, value]) => name === 'seeds' || (value !== '' && value !== null && value !== undefined));
    return Object.fromEntries([...said, ['weights', window.StreamDiffusion.denoiserWeights()]]);
  }

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { denoiserParams });
})();
