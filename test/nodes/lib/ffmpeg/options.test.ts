import assert from 'node:assert/strict';
import { ffmpegArguments, ffmpegScript } from '../../../../nodes/lib/ffmpeg/arguments';
import { readInputOptions } from '../../../../nodes/lib/ffmpeg/options';
import source from '../../../../nodes/source';
import { CAMERA } from '../../../lib/ffmpeg';
import { calls, helper, startFlow, until } from '../../../lib/flow';
import { flowOf } from '../../../lib/source-flow';

describe('further options for ffmpeg', () => {
  it('are those of devices, networks and decoders, each with its value, and stand before the input', () => {
    assert.deepEqual(readInputOptions(''), []);
    assert.deepEqual(readInputOptions(' -rtsp_transport udp  -user_agent "my camera" '), [
      ['rtsp_transport', 'udp'],
      ['user_agent', 'my camera'],
    ]);
    const args = ffmpegArguments(
      { ...CAMERA, input: 'rtsp://camera/live', options: readInputOptions('-rtsp_transport udp -timeout 5000000') },
      'linux',
    ).join(' ');
    assert.match(args, /-rtsp_transport tcp -rtsp_transport udp -timeout 5000000 -i rtsp:\/\/camera\/live /, 'the later one counts');
    const script = ffmpegScript({
      ...CAMERA,
      input: 'rtsp://me:secret@camera/live',
      options: readInputOptions("-rtsp_transport udp -user_agent 'it is'"),
    })!;
    assert.match(
      script,
      /^ffconcat version 1.0\nfile 'rtsp:\/\/me:secret@camera\/live'\noption rtsp_transport 'udp'\noption user_agent 'it is'\n$/,
    );
  });

  it('name no other input, no file to write, no protocol, no filter; nor do they come without a value', () => {
    for (const text of [
      '-i /etc/passwd',
      'second.mp4',
      '-y',
      '-re',
      '-an out.mp4',
      '-f lavfi',
      '-f concat',
      '-f tee',
      '-protocol_whitelist file',
      '-safe 0',
      '-format_whitelist x',
      '-vf movie=/etc/passwd',
      '-filter_complex x',
      '-report',
      '-progress file:/tmp/x',
      '-dump_attachment:t x',
      '-map 0',
      '-init_hw_device x',
      '-video_size',
      '-video_size 1x1 out.mp4',
      '-framerate 30 -i x',
      '--video_size 1x1',
      '-sdp_file x',
      '-vstats_file x',
      '-http_proxy x',
      '-framerate "30',
      '-framerate 30\n-i x',
      '- 1',
    ]) {
      assert.throws(() => readInputOptions(text), { code: 'EBADPARAM' }, text);
    }
  });

  it('that cannot be are told with the field', async () => {
    await startFlow([source], flowOf({ kind: 'camera', camera: '/dev/video0', options: '-i /etc/passwd', autostart: false }));
    const errors = calls('source', 'error');
    helper.getNode('source').receive({ payload: 'start' });
    await until(() => errors.length > 0);
    await helper.unload();
    assert.match(String(errors[0]), /options cannot be given "-i"/);
  });
});
