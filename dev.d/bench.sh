# Measurements: a release build, and a nats-server that makes every append durable.
# shellcheck shell=bash
: "${state:?}" "${target:?}"

bench() {
  if [ "${1:-}" = packing ]; then
    in_root cargo run --locked --release -q -p fleetlog-packing -- "${@:2}"
    return
  fi
  if [ "${1:-}" = ec2 ]; then
    nats_server
    moto_server
    in_root cargo bench --locked -q -p fleetlog-ops --features ec2 --bench ec2 -- "${@:2}"
    return
  fi
  install_tools
  nats_server
  in_root cargo build --locked --release -p fleetlog-ops
  bench_dir=$(mktemp -d "$state/bench.XXXXXX")
  trap bench_end EXIT
  cat >"$bench_dir/nats.conf" <<CONF
host: 127.0.0.1
port: -1
ports_file_dir: "$bench_dir"
jetstream { store_dir: "$bench_dir/store", sync_interval: always }
CONF
  "$FLEETLOG_NATS_SERVER" -c "$bench_dir/nats.conf" >"$bench_dir/log" 2>&1 &
  bench_server=$!
  wait_until 20 bench_up || fail "nats-server did not come up: see $bench_dir/log"
  "$target/release/fleetlog" bench --nats "$(bench_port)" "$@"
}

# Prints where the server answers, once it does.
bench_port() { grep -ohE 'nats://127\.0\.0\.1:[0-9]+' "$bench_dir"/nats-server_*.ports 2>/dev/null; }

bench_up() { bench_port >/dev/null; }

bench_end() {
  kill "$bench_server" 2>/dev/null || true
  wait "$bench_server" 2>/dev/null || true
  rm -rf "$bench_dir"
}
