# A cluster of real processes to which everything happens that can happen to one.
# shellcheck shell=bash
: "${target:?}"

chaos() {
  chaos_setup
  exec "$target/debug/fleetlog-chaos" "$@"
}

# What it runs beside itself: a nats-server, the built binary, and what links and mounts are made with.
chaos_setup() {
  command -v ip >/dev/null || [ "$(id -u)" -ne 0 ] || apt_install iproute2
  nats_server
  in_root cargo build --quiet --locked -p fleetlog-ops -p fleetlog-chaos
}

# As part of the tests: short, and always the same mishaps.
chaos_briefly() {
  chaos_setup && "$target/debug/fleetlog-chaos" --minutes 0.5 --seed 1
}
