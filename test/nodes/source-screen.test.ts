import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import sharp from 'sharp';
import { isWayland } from '../../nodes/lib/ffmpeg/devices';
import source from '../../nodes/source';
import { needFfmpeg } from '../lib/ffmpeg';
import { helper, messagesAt, startFlow, until } from '../lib/flow';
import { flowOf, frameOf } from '../lib/source-flow';

describe('frame source on a screen', () => {
  before(needFfmpeg);
  it('shows the screen of this machine', async function () {
    if (!existsSync('/usr/bin/Xvfb')) {
      console.log('      skipped: Xvfb is not installed');
      return this.skip();
    }
    const display = `:${90 + (process.pid % 1000)}`;
    const screen = spawn('Xvfb', [display, '-screen', '0', '320x240x24', '-nolisten', 'tcp'], { stdio: 'ignore' });
    try {
      await until(() => existsSync(`/tmp/.X11-unix/X${display.slice(1)}`));
      await startFlow([source], flowOf({ kind: 'screen', screen: display, width: '160', height: '120', fps: '10' }));
      const [msg] = await messagesAt('out', 3);
      const { width, height } = await sharp(msg.payload as Buffer).metadata();
      assert.deepEqual([width, height, frameOf(msg).source], [160, 120, 'screen']);
    } finally {
      await helper.unload();
      screen.kill();
    }
  });
});

describe('a screen under Wayland', () => {
  it('is told to be black', async () => {
    assert.ok(isWayland('', 'linux', { WAYLAND_DISPLAY: 'wayland-0' }));
    assert.ok(isWayland(':0', 'linux', { XDG_SESSION_TYPE: 'wayland', DISPLAY: ':0' }));
    assert.ok(!isWayland(':7', 'linux', { XDG_SESSION_TYPE: 'wayland', DISPLAY: ':0' }), 'an X server beside it');
    assert.ok(!isWayland('', 'linux', { XDG_SESSION_TYPE: 'x11', DISPLAY: ':0' }));
    assert.ok(!isWayland('', 'darwin', { WAYLAND_DISPLAY: 'wayland-0' }));
  });
});
