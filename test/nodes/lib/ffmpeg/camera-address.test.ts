import assert from 'node:assert/strict';
import { ffmpegArguments, ffmpegScript } from '../../../../nodes/lib/ffmpeg/arguments';
import { holdsSecret, maskSecrets, secretAddress, secretsOf, splitLogin } from '../../../../nodes/lib/ffmpeg/camera-address';
import { CAMERA } from '../../../lib/ffmpeg';

describe('secrets in an address', () => {
  it('are found: a login with any characters, and parameters of every usual name', () => {
    assert.deepEqual(splitLogin('rtsp://admin:p/ss#w@rd?@camera:554/live'), {
      address: 'rtsp://camera:554/live',
      user: 'admin',
      password: 'p/ss#w@rd?',
    });
    assert.deepEqual(splitLogin('http://me:p%40ss@camera/'), { address: 'http://camera/', user: 'me', password: 'p@ss' });
    assert.deepEqual(splitLogin('http://me:50%@camera/'), { address: 'http://camera/', user: 'me', password: '50%' });
    for (const plain of [
      'rtsp://camera/live',
      'http://camera:81/a@b',
      'http://[fe80::1]:80/a@b',
      '/films/a@b.mp4',
      '0',
      'http://camera/?fps=5&size=1@2',
    ])
      assert.equal(splitLogin(plain), undefined, plain);
    for (const [address, secret] of [
      ['http://camera/video?user=me&password=trout7', 'trout7'],
      ['http://camera/video.cgi?loginuse=me&loginpas=trout7', 'trout7'],
      ['http://camera/?usr=me&pwd=trout7&x=1', 'trout7'],
      ['rtsp://camera:554/user=admin_password=trout7_channel=1_stream=0.sdp', 'trout7'],
      ['rtsp://camera/user=admin&password=trout7&channel=1', 'trout7'],
      ['https://cdn/film.mp4?access_token=trout7', 'trout7'],
      ['http://camera/?PWD=trout7', 'trout7'],
      ['http://camera/?passwd=tr%20out7', 'tr%20out7'],
      ['https://cdn/film.m3u8?Signature=trout7&Expires=1', 'trout7'],
      ['rtsp://me:tr@out7@camera/live', 'tr@out7'],
      ['rtsp://me:tr/out7@camera/live', 'tr/out7'],
    ]) {
      assert.ok(holdsSecret(address), address);
      assert.ok(secretAddress(address), address);
      const input = { ...CAMERA, input: address };
      assert.doesNotMatch(ffmpegArguments(input, 'linux').join(' '), /out7/, `in the list of processes: ${address}`);
      assert.match(ffmpegScript(input)!, /out7/);
      const told = maskSecrets(`${address} cannot be played: [tcp] ${address}: 401; ${secret} was wrong`, secretsOf(address));
      assert.doesNotMatch(told, /out7/, told);
      assert.match(told, /(camera|cdn)/, `${told} names the camera`);
    }
  });

  it('are hidden in what ffmpeg says, without more than that', () => {
    assert.equal(maskSecrets('http://camera/a@b: 404 Not Found'), 'http://camera/a@b: 404 Not Found');
    assert.equal(maskSecrets('rtsp://me:a@b/c@camera/live: 401'), 'rtsp://***@camera/live: 401');
    assert.equal(maskSecrets('http://camera/?user=me&pwd=1&fps=5: 404'), 'http://camera/?user=me&pwd=***&fps=5: 404');
    assert.equal(maskSecrets('x: 401 for p@ss', ['p@ss']), 'x: 401 for ***');
  });

  it('are masked wherever they are told', () => {
    assert.equal(maskSecrets('rtsp://me:p%40ss@camera/live: 401 for p@ss', ['p@ss']), 'rtsp://***@camera/live: 401 for ***');
    assert.equal(maskSecrets('http://a:b@host/x failed', []), 'http://***@host/x failed');
  });
});
