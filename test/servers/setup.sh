#!/bin/sh
# Real inference servers for the tests, from PyPI: NVIDIA Triton (which nvidia-pytriton carries) and KServe's model server.
# About 700 MB in the folder that STREAMDIFFUSION_TEST_SERVERS names, or in ~/.cache/streamdiffusion/test-servers.
# Without them the tests that need them are skipped.
#
#   sh test/servers/setup.sh            # PYTHON=python3.11 chooses another Python
set -e
folder="${STREAMDIFFUSION_TEST_SERVERS:-$HOME/.cache/streamdiffusion/test-servers}"
python="${PYTHON:-python3}"
# The release that this package has: another one rounds otherwise, which shows in half precision.
runtime=1.30.0
mkdir -p "$folder"
for server in triton kserve; do
  package=$([ "$server" = triton ] && echo nvidia-pytriton==0.7.0 || echo kserve==0.21.0)
  [ -x "$folder/$server/bin/python" ] || "$python" -m venv "$folder/$server"
  "$folder/$server/bin/python" -m pip install --quiet --disable-pip-version-check "$package" "onnxruntime==$runtime" onnx
done
# Triton looks for its Python backend in one folder, the stub for this Python included.
site="$("$folder/triton/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
version="$("$folder/triton/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
mkdir -p "$folder/backends/python"
ln -sf "$site"/pytriton/tritonserver/backends/python/* "$site/pytriton/tritonserver/python_backend_stubs/$version"/* "$folder/backends/python/"
ln -sfn "$site" "$folder/triton-packages"
echo "$folder"
