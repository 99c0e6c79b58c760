#!/bin/sh
# fetch URL SHA256 FILE: puts what is at URL into FILE if it has this digest, else fails. Runs nothing
# of it. What is there already and right is not fetched again.
set -eu
url=$1 sum=$2 file=$3
right() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$sum" ]; }
if right "$file"; then exit 0; fi
part=$file.part
trap 'rm -f "$part"' EXIT
curl --fail --silent --show-error --location --proto '=http,https' --retry 5 \
  --connect-timeout 10 --max-time 600 --output "$part" "$url"
if ! right "$part"; then
  echo "fetch: what is at $url does not have the digest $sum" >&2
  exit 1
fi
chmod 0755 "$part"
mv -f "$part" "$file"
