#!/bin/sh
# Fetches {{name}}, and runs it once its digest is right.
set -eu
/opt/fleetlog/bin/fetch '{{url}}' '{{sum}}' '/opt/fleetlog/bin/{{name}}'
exec {{command}}
