/** What the denoiser's dialog says to the running streams while it is open. */
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

  /** The dialog as `msg.params` would say it. Empty fields say nothing, but for the blend of seeds, which then ends. */
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
