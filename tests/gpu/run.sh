#!/usr/bin/env bash
# The figures of a machine with an accelerator: bash tests/gpu/run.sh [--minutes 8] [--dry] …
# Nothing is installed; --help says what there is. See measure.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD/tests/gpu:$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
python=$(command -v python3 || command -v python)
exec "$python" tests/gpu/measure.py "$@"
