import assert from 'node:assert/strict';
import { maskSecrets } from '../../../../nodes/lib/ffmpeg/camera-address';
import { pushAddress, type PushCredentials } from '../../../../nodes/lib/sink/push-address';

describe('the address to which pictures are sent', () => {
  it('says what is wrong with an address, in which no secret is read', () => {
    const refused: [string, Partial<PushCredentials>, RegExp][] = [
      ['film.mp4', {}, /begins|such as rtmp:/],
      ['http://host/x', {}, /such as rtmp:\/\/.*not "http:\/\/host\/x"/],
      ['file:///etc/passwd', {}, /such as/],
      ['udp://host:1', {}, /such as/],
      ['-y', {}, /such as/],
      ['rtmp://', {}, /such as|has none/],
      ['srt://host', {}, /needs a port/],
      ['srt://host:9000?mode=listener', {}, /which must listen/],
      ['srt://host:9000', { password: 'short' }, /10 to 64 characters; the password has 5/],
      ['srt://host:9000', { user: 'me', password: 'long enough it is' }, /SRT has no user/],
      ['rtmp://host/live', { key: 'two\nlines' }, /one line/],
      ['rtmp://host/live', { key: 'x'.repeat(501) }, /501 characters/],
      ['ftp://me:hush-hush@host/live', {}, /such as/],
    ];
    for (const [address, credentials, sentence] of refused) {
      assert.throws(
        () => pushAddress(address, credentials),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'EBADPARAM');
          assert.match(error.message, sentence);
          assert.doesNotMatch(error.message, /hush-hush/);
          return true;
        },
        address,
      );
    }
  });

  it('tells ffmpeg where to go: key, login and passphrase where each protocol has them', () => {
    const { secrets: _, ...youtube } = pushAddress(' rtmp://a.example.com/live2/ ', { key: 'abcd-efgh' });
    assert.deepEqual(youtube, {
      address: 'rtmp://a.example.com/live2/',
      target: 'rtmp://a.example.com/live2',
      format: 'flv',
      further: ['-rtmp_app', 'live2'],
      hidden: [['rtmp_playpath', 'abcd-efgh']],
    });
    assert.equal(
      pushAddress('rtsp://host:8554', { key: 'wall', user: 'm e', password: 'p@ss' }).target,
      'rtsp://m%20e:p%40ss@host:8554/wall',
    );
    const told = pushAddress('rtsp://me:hush-hush@host/wall');
    assert.equal(told.address, 'rtsp://***@host/wall');
    assert.equal(told.target, 'rtsp://me:hush-hush@host/wall');
    const srt = pushAddress('srt://[::1]:9000?latency=200000&passphrase=hush-hush-hush&streamid=publish:wall:me:hush');
    assert.equal(srt.target, 'srt://[::1]:9000?latency=200000');
    assert.deepEqual(srt.hidden, [
      ['passphrase', 'hush-hush-hush'],
      ['srt_streamid', 'publish:wall:me:hush'],
    ]);
    assert.doesNotMatch(srt.address, /hush/);
    const secure = pushAddress('rtmps://host/live', { key: 'k' }).further.join(' ');
    assert.match(secure, /-tls_verify 1/);
  });

  it('keeps the stream id of SRT whole, also one that begins with a #, and out of sight', () => {
    const id = '#!::r=live/wall,m=publish,u=me,s=hush-hush';
    for (const written of [id, encodeURIComponent(id), encodeURI(id)]) {
      for (const rest of ['', '&latency=200000']) {
        const { hidden, target, address } = pushAddress(`srt://host:9000?streamid=${written}${rest}`);
        assert.deepEqual(hidden, [['srt_streamid', id]], written);
        assert.equal(target, `srt://host:9000${rest.replace('&', '?')}`);
        assert.equal(address, `srt://host:9000?streamid=***${rest}`);
      }
    }
    const phrase = pushAddress('srt://host:9000?passphrase=hush#hush-hush&streamid=#!::r=a');
    assert.deepEqual(phrase.hidden, [
      ['passphrase', 'hush#hush-hush'],
      ['srt_streamid', '#!::r=a'],
    ]);
    assert.doesNotMatch(phrase.address + phrase.target, /hush/);
    assert.deepEqual(pushAddress('srt://host:9000#!::r=a', { key: id }).hidden, [['srt_streamid', id]]);
  });

  it('sends a stream key of RTSP that asks for something to where it is meant, and masks it as it is sent', () => {
    const CASES: [address: string, key: string, target: string][] = [
      ['rtsp://host/live', 'wall?token=hush-hush', 'rtsp://host/live/wall?token=hush-hush'],
      ['rtsp://host/live/?tcp', '/wall?token=hush-hush', 'rtsp://host/live/wall?token=hush-hush&tcp'],
      ['rtsp://host/live?tcp', 'hush-hush', 'rtsp://host/live/hush-hush?tcp'],
      ['rtsp://host', 'hush#hush', 'rtsp://host/hush%23hush'],
      ['rtsp://host', 'hush |"hush?hush= <#hush', 'rtsp://host/hush%20|%22hush?hush=%20%3C%23hush'],
    ];
    for (const [address, key, target] of CASES) {
      const where = pushAddress(address, { key });
      assert.equal(where.target, target);
      assert.doesNotMatch(maskSecrets(`${where.target}: Connection refused`, where.secrets), /hush/, target);
    }
  });
});
