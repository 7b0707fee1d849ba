/**
 * What a node gets when it is dragged from the palette, pasted or imported: what it cannot work without. Loading a saved
 * flow adds nothing, so those stay as they are.
 */
(() => {
  const ENGINE = 'streamdiffusion-engine';

  /** The engines that a node on this tab may use: those of all tabs, and those of its own. */
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

  /** What the newest step of the editor's history added this node, if it did. */
  function stepThatAdded(node) {
    const newest = RED.history.peek();
    const events = newest ? [newest].concat(newest.events || []) : [];
    return events.find((event) => event.t === 'add' && (event.nodes || []).includes(node.id));
  }

  /** Undoing the node takes back the engine that came with it. The editor notes the node after this was called. */
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

  /** A node that was pasted is known to the editor already, with what it had before. */
  function looksAnew(node) {
    const known = RED.nodes.node(node.id);
    if (!known) return;
    if (node.engine && RED.nodes.updateConfigNodeUsers) RED.nodes.updateConfigNodeUsers(known, { action: 'add' });
    RED.editor.validateNode(known);
    known.dirty = known.resize = true;
  }

  /** Nodes that came since the editor was last at rest, with the names that they came with. */
  let newcomers = [];

  function hearOf(node) {
    if (!/^streamdiffusion-/.test(node.type) || node.type === ENGINE) return;
    if (newcomers.length === 0) setTimeout(settle);
    newcomers.push({ node: node, came: node.name });
  }

  /**
   * Of what is imported the editor tells only nodes on the tab in view that they were added, so the others get here what they
   * need. Whoever comes with a name that is taken is renamed, of which people are told.
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

  /** A camera page that came along goes on showing the sink that it came with. */
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
