import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import type { Setting } from '../../engine/util/setting';
import { STREAM_SETTINGS } from '../../nodes/lib/denoiser/stream-settings';
import { ROOT } from '../lib/reference';

interface Field {
  value?: unknown;
  validate?: { min: number; max: number; whole?: boolean };
}

/** The fields of the dialog, with the ranges that it takes. */
function dialogFields(): Record<string, Field> {
  const [, script = ''] =
    /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(readFileSync(join(ROOT, 'nodes/denoiser.html'), 'utf8')) ?? [];
  let fields: Record<string, Field> = {};
  const registerType = (_type: string, { defaults }: { defaults: Record<string, Field> }): void => {
    fields = defaults;
  };
  const number = (_field: string, min: number, max: number, whole = false): Field['validate'] => ({ min, max, whole });
  runInNewContext(script, { RED: { nodes: { registerType } }, window: { StreamDiffusion: { number } } });
  // What the dialog does not have is left to messages.
  return new Proxy(fields, { get: (known, name: string) => known[name] ?? {} });
}

/** What the page says of each setting, by its name: the last column of its row. */
function documentedDefaults(): Map<string, string> {
  const rows = [...readFileSync(join(ROOT, 'docs/nodes/denoiser.md'), 'utf8').matchAll(/^\|[^|]+\| ([^|]*) \|.*\|([^|]*)\|$/gm)];
  return new Map(rows.flatMap(([, names, preset]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => [name, preset.trim()] as const)));
}

const settings = Object.entries<Setting<unknown>>(STREAM_SETTINGS);
/** The dialog's own choice for a new node, where the library wants to be told or follows the reference. */
const CHOSEN: Record<string, unknown> = {
  mode: 'img2img',
  width: 256,
  height: 256,
  tIndexList: [25, 37],
  cfgType: 'none',
  followNewest: 'none',
};
/** What the page says where that is not the value alone. */
const WORDS: Record<string, string> = {
  true: 'yes',
  width: '256 × 256',
  height: '256 × 256',
  tIndexList: '25, 37',
  seeds: '',
  weights: '1 each',
  cfgType: 'from the palette none; self in a flow that names none',
};

describe('a setting of a stream', () => {
  const fields = dialogFields();

  it('has one default: in the library, in the dialog and on the page', () => {
    const documented = documentedDefaults();
    for (const [name, setting] of settings) {
      const preset = CHOSEN[name] ?? setting.default;
      const { value = preset } = fields[name];
      assert.deepEqual(setting.parse(value), preset, `${name} in the dialog`);
      assert.deepEqual(setting.isValid(preset), true, name);
      const said = documented.get(name);
      assert.ok(said !== undefined, `${name} is on the page`);
      assert.equal(said.replaceAll('`', ''), WORDS[name] ?? WORDS[String(preset)] ?? String(preset), `${name} on the page`);
    }
  });

  it('has a range in the dialog that the library takes', () => {
    for (const [name, setting] of settings) {
      const { validate } = fields[name];
      if (typeof validate !== 'object') continue;
      const { min, max, whole } = validate;
      assert.ok(setting.isValid(min) && setting.isValid(max), `${name}: ${min} to ${max}`);
      assert.equal(setting.isValid(min + 0.5), !whole, `${name}: whole numbers`);
    }
  });

  it('refuses in the library what the dialog does, where a range says all', () => {
    const free = ['guidanceScale', 'delta', 'seed', 'width', 'height'];
    for (const [name, setting] of settings.filter(([each]) => !free.includes(each))) {
      const { validate } = fields[name];
      if (typeof validate === 'object')
        assert.ok(
          !setting.isValid(validate.min - 1) && !setting.isValid(validate.max + 1),
          `${name} beyond ${validate.min} to ${validate.max}`,
        );
    }
  });
});
