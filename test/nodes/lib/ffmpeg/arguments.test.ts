import assert from 'node:assert/strict';
import { demandsOf, ffmpegArguments, ffmpegScript } from '../../../../nodes/lib/ffmpeg/arguments';
import { readInputOptions } from '../../../../nodes/lib/ffmpeg/options';
import { CAMERA } from '../../../lib/ffmpeg';

describe('ffmpeg arguments', () => {
  const base = { fps: 25, width: 256, height: 192, loop: false, start: 0, speed: 1 } as const;

  it('name the devices of each system as its capture wants it', () => {
    const camera = { ...base, kind: 'camera' } as const;
    const input = (name: string, platform: NodeJS.Platform): string => ffmpegArguments({ ...camera, input: name }, platform).join(' ');
    assert.match(input('/dev/video0', 'linux'), /-f v4l2 .*-i \/dev\/video0 /);
    assert.match(input('0', 'darwin'), /-f avfoundation .*-i 0:none /);
    assert.match(input('Front Camera', 'win32'), /-f dshow -i video=Front Camera /);
    assert.match(input('rtsp://camera/live', 'linux'), /-rtsp_transport tcp -i rtsp:\/\/camera\/live /);
  });

  it('name the screens of each system as its capture wants it', () => {
    const screen = (name: string, platform: NodeJS.Platform): string =>
      ffmpegArguments({ ...base, kind: 'screen', input: name }, platform).join(' ');
    assert.match(screen(':1', 'linux'), /-f x11grab -framerate 25 -i :1 /);
    assert.match(screen('', 'darwin'), /-f avfoundation -framerate 25 -i Capture screen 0:none /);
    assert.match(screen('', 'win32'), /-f gdigrab -framerate 25 -i desktop /);
  });

  it('never hold a user or a password: an address with a login goes through standard input', () => {
    const login = { user: 'me', password: "p@ss/w'ord" };
    const camera = { ...base, ...login, kind: 'camera', input: 'rtsp://camera:554/live' } as const;
    assert.doesNotMatch(ffmpegArguments(camera).join(' '), /ord|camera/);
    assert.match(ffmpegArguments(camera).join(' '), /-f concat -safe 0 -protocol_whitelist pipe,tcp,.*,rtsp -i pipe:0/);
    assert.equal(ffmpegScript(camera), "ffconcat version 1.0\nfile 'rtsp://me:p%40ss%2Fw'\\''ord@camera:554/live?tcp'\n");
    assert.match(
      ffmpegScript({ ...base, kind: 'camera', input: "rtsp://me:secret@camera/it's?profile=1" })!,
      /'rtsp:\/\/me:secret@camera\/it'\\''s\?profile=1&tcp'/,
    );
    assert.match(
      ffmpegScript({ ...base, ...login, kind: 'video', input: 'https://host/film.mp4', start: 12.5 })!,
      /@host\/film.mp4'\ninpoint 12.5\n/,
    );
  });

  it('are as they were where there is no login, or nothing that could ask for it', () => {
    const login = { user: 'me', password: 'secret' };
    for (const input of [
      { ...base, kind: 'camera', input: 'rtsp://camera:554/live' },
      { ...base, ...login, kind: 'video', input: '/films/me.mp4' },
      { ...base, ...login, kind: 'camera', input: '/dev/video0' },
      { ...base, ...login, kind: 'screen', input: ':1' },
    ] as const) {
      assert.ok(ffmpegArguments(input, 'linux').includes(input.input));
      assert.equal(ffmpegScript(input), undefined);
    }
  });
});

/** What macOS' ffmpeg writes of a camera that has no such rate. */
const MODES = `[avfoundation @ 0x7f8] Selected framerate (29.970030) is not supported by the device.
[avfoundation @ 0x7f8] Supported modes:
[avfoundation @ 0x7f8]   640x480@[1.000000 30.000030]fps
[avfoundation @ 0x7f8]   1280x720@[15.000000 25.000000]fps
[avfoundation @ 0x7f8]   1920x1080@[1.000000 5.000000]fps
0: Input/output error
`;

describe('a camera by its name', () => {
  it('is asked on Linux for MJPEG, a size that covers the wanted one, and a rate; then for less', () => {
    const asked = (said: string[], format = {}): string | undefined => demandsOf({ ...CAMERA, ...format }, 'linux', said)?.join(' ');
    assert.equal(asked([]), '-input_format mjpeg -video_size 1280x720 -framerate 30');
    assert.equal(asked([''], { width: 256, height: 256, fps: 60 }), '-video_size 640x480 -framerate 60');
    assert.equal(asked(['', '']), '');
    assert.equal(asked(['', '', '']), undefined);
    assert.match(
      ffmpegArguments(CAMERA, 'linux').join(' '),
      /-f v4l2 -input_format mjpeg -video_size 1280x720 -framerate 30 -i \/dev\/video0 /,
    );
  });

  it('is asked on macOS for 30 a second, then for one of the modes that ffmpeg names', () => {
    const asked = (said: string[], format = {}): string | undefined =>
      demandsOf({ ...CAMERA, input: '0', ...format }, 'darwin', said)?.join(' ');
    assert.equal(asked([]), '-framerate 30');
    assert.equal(asked([MODES], { width: 256, height: 256 }), '-video_size 640x480 -framerate 30');
    assert.equal(asked([MODES]), '-video_size 1280x720 -framerate 25.000000', 'not the one of 5 a second');
    assert.equal(asked([MODES, 'no']), '');
    assert.equal(asked([MODES, 'no', 'no']), undefined);
    assert.equal(asked(['no such device']), '');
    assert.equal(asked(['no such device', 'no']), undefined);
    assert.match(ffmpegArguments({ ...CAMERA, input: '0' }, 'darwin').join(' '), /-f avfoundation -framerate 30 -i 0:none /);
  });

  it('is not asked for anything where the options say how, or where it is an address', () => {
    assert.deepEqual(demandsOf({ ...CAMERA, options: [['video_size', '320x240']] }, 'linux'), []);
    assert.deepEqual(demandsOf({ ...CAMERA, input: 'rtsp://camera/' }, 'linux'), []);
    assert.match(
      ffmpegArguments({ ...CAMERA, options: readInputOptions('-f v4l2 -input_format yuyv422') }, 'linux').join(' '),
      / -f v4l2 -input_format yuyv422 -i \/dev\/video0 /,
    );
  });
});
