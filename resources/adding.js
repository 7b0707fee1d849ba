/**
 * Completes a node that is dragged from the palette, pasted or imported with what it needs, such as an engine and a name. Nodes
 * of a saved flow are not changed when it is loaded.
 */
(() => {
  const ENGINE = 'streamdiffusion-engine';

  /** The engines that a node on this tab may use: the global ones and the tab's own. */
  function enginesFor(node) {
    const engines = [];
    RED.nodes.eachConfig((config) => {
      if (config.type === ENGINE && !config.d && (!config.z || config.z === node.z)) engines.push(config);
    });
    return engines;
  }

  function newEngine() {
    const definition = RED.nodes.getType(ENGINE);
    const engine = { id: RED.nodes.id(), type: ENGINE, _def: definition, users: [], changed: true };
    Object.keys(definition.defaults).forEach((field) => {
      engine[field] = definition.defaults[field].value;
    });
    const added = RED.nodes.add(engine);
    RED.editor.validateNode(added);
    return added;
  }

  /** The newest step of the editor's history, if it added this node. */
  function stepThatAdded(node) {
    const newest = RED.history.peek();
    const events = newest ? [newest].concat(newest.events || []) : [];
    return events.find((event) => event.t === 'add' && (event.nodes || []).includes(node.id));
  }

  /** Makes undoing the node also remove the engine that was added with it. The editor records the node after this call. */
  function undoWith(node, engine) {
    setTimeout(() => {
      const adding = stepThatAdded(node);
      if (adding) adding.nodes.push(engine.id);
    });
  }

  /** The engine that most nodes use, those of the same tab first; a new one on the embedded model where there is none. */
  function giveEngine(node) {
    if (node.engine && RED.nodes.node(node.engine)) return;
    const users = (engine, z) => engine.users.filter((user) => z === undefined || user.z === z).length;
    const known = enginesFor(node).sort((a, b) => users(b, node.z) - users(a, node.z) || users(b) - users(a))[0];
    const engine = known || newEngine();
    node.engine = engine.id;
    if (!known) undoWith(node, engine);
    looksAnew(node);
  }

  /** Gives a node a name that no other one of its type has. */
  function giveName(node, wanted, competes) {
    node.name = window.StreamDiffusion.freeName(node, wanted, competes);
    looksAnew(node);
  }

  /** Updates a pasted node, which the editor already shows with its former properties. */
  function looksAnew(node) {
    const known = RED.nodes.node(node.id);
    if (!known) return;
    if (node.engine && RED.nodes.updateConfigNodeUsers) RED.nodes.updateConfigNodeUsers(known, { action: 'add' });
    RED.editor.validateNode(known);
    known.dirty = known.resize = true;
  }

  /** Nodes that were added in the current turn of the event loop, with their original names. */
  let newcomers = [];

  function hearOf(node) {
    if (!/^streamdiffusion-/.test(node.type) || node.type === ENGINE) return;
    if (newcomers.length === 0) setTimeout(settle);
    newcomers.push({ node: node, came: node.name });
  }

  /**
   * On import, the editor calls `onadd` only for nodes on the visible tab, so the others are completed here. A node whose name is
   * taken is renamed, with a notification.
   */
  function settle() {
    const added = newcomers.filter(({ node }) => RED.nodes.node(node.id) && stepThatAdded(node));
    newcomers = [];
    for (const { node } of added) if (node._def.onadd) node._def.onadd.call(node);
    const renamed = added.filter(({ node, came }) => came && node.name !== came);
    followSinks(renamed, added);
    for (const { node, came } of renamed) tellRenamed(came, node.name);
    if (renamed.length > 0) RED.view.redraw(true);
  }

  /** Makes an imported camera page show the sink that was imported with it, under its new name. */
  function followSinks(renamed, added) {
    for (const { node: sink, came } of renamed.filter(({ node }) => node.type === 'streamdiffusion-sink'))
      for (const { node } of added) if (node.type === 'streamdiffusion-source' && node.result === came) node.result = sink.name;
  }

  function tellRenamed(before, name) {
    const text = RED._('@streamdiffusion/node-red/engine:adding.renamed', { before: before, name: name });
    RED.notify($('<span>').text(text).html(), { type: 'warning', timeout: 10_000 });
  }

  // This file is loaded for each node that needs it.
  if (!window.StreamDiffusion?.giveEngine) RED.events.on('nodes:add', hearOf);
  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { giveEngine, giveName });
})();
