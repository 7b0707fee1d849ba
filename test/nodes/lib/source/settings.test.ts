import assert from 'node:assert/strict';
import { holdsLogin, type SourceDef } from '../../../../nodes/lib/source/settings';

describe('an address with a login in it', () => {
  it('is noticed, for it is part of the flow', () => {
    const held = (video: string): boolean => holdsLogin({ kind: 'video', video } as SourceDef);
    for (const address of ['rtsp://me:secret@camera/live', 'http://token@host:81/a', ' RTSPS://a:b@c']) assert.ok(held(address), address);
    for (const address of ['rtsp://camera/live?user=a@b', '/films/a@b.mp4', 'C:\\films\\a@b.mp4', 'http://host/a:b@c', ''])
      assert.ok(!held(address), address);
    assert.ok(holdsLogin({ kind: 'camera', camera: 'rtsp://a:b@c/' } as SourceDef));
    assert.ok(!holdsLogin({ kind: 'camera', video: 'rtsp://a:b@c/', camera: '0' } as SourceDef));
  });
});
