"""A network camera: GStreamer's RTSP server with a moving picture under /h264 and /mjpeg, for those who know the login.

Usage: rtsp_server.py PORT USER PASSWORD. Port 0: any; the port is printed when it listens. Needs Debian's packages
gir1.2-gst-rtsp-server-1.0, python3-gi, gstreamer1.0-plugins-good and -ugly; exits with 77 where they are missing.
"""
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

Gst.init(None)
for element in ("videotestsrc", "x264enc", "rtph264pay", "jpegenc", "rtpjpegpay"):
    if not Gst.ElementFactory.find(element):
        print(f"GStreamer has no {element}", file=sys.stderr)
        sys.exit(77)

PICTURE = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1"
STREAMS = {
    "/h264": f"( {PICTURE} ! x264enc tune=zerolatency key-int-max=25 ! rtph264pay name=pay0 pt=96 )",
    "/mjpeg": f"( {PICTURE} ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
}

port, user, password = sys.argv[1:]
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
auth = GstRtspServer.RTSPAuth()
visitor = GstRtspServer.RTSPToken()
visitor.set_string("media.factory.role", "visitor")
auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), visitor)
server.set_auth(auth)
for path, pipeline in STREAMS.items():
    factory = GstRtspServer.RTSPMediaFactory(launch=pipeline, shared=True)
    allowed = GstRtspServer.RTSPPermissions()
    allowed.add_permission_for_role("visitor", "media.factory.access", True)
    allowed.add_permission_for_role("visitor", "media.factory.construct", True)
    factory.set_permissions(allowed)
    server.get_mount_points().add_factory(path, factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
