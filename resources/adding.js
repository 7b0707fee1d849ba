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

  /** Undoing the node takes back the engine that came with it. The editor notes the node after this was called. */
  function undoWith(node, engine) {
    setTimeout(() => {
      const newest = RED.history.peek();
      const events = newest ? [newest].concat(newest.events || []) : [];
      const adding = events.find((event) => event.t === 'add' && (event.nodes || []).includes(node.id));
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

  window.StreamDiffusion = Object.assign(window.StreamDiffusion || {}, { giveEngine, giveName });
})();
