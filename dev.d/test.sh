# Lints, and all tests with real parts: nats-server, moto, docker, processes.
# shellcheck shell=bash
: "${state:?}"

lint() {
  in_root cargo fmt --version >/dev/null 2>&1 || fail 'rustfmt is missing: rustup component add rustfmt'
  in_root cargo clippy --version >/dev/null 2>&1 || fail 'clippy is missing: rustup component add clippy'
  in_root cargo fmt --all --check
  in_root cargo clippy --locked --workspace --all-targets -- -D warnings
  in_root cargo clippy --locked -p fleetlog-ops --features ec2 --all-targets -- -D warnings
}

run_tests() {
  install_tools
  nats_server
  moto_server
  trap docker_end EXIT
  docker_begin
  # In shells of their own: where they fail, the descriptor is still there for `docker_end`.
  (lint) 9>&-
  (build) 9>&-
  local output status=0
  output=$(mktemp "$state/test.XXXXXX")
  run_all "$@" 9>&- 2>&1 | tee "$output" || status=$?
  docker_end
  trap - EXIT
  # Whoever names tests wants those alone.
  if [ $# -eq 0 ]; then
    simulate 9>&- || { status=$?; echo 'test result: 0 passed; 1 failed' >>"$output"; }
    chaos_briefly 9>&- || { status=$?; echo 'test result: 0 passed; 1 failed' >>"$output"; }
  fi
  count "$output"
  rm -f "$output"
  return "$status"
}

run_all() {
  if in_root cargo nextest --version >/dev/null 2>&1; then
    in_root cargo nextest run --locked --workspace --features fleetlog-ops/ec2 --no-fail-fast "$@"
  else
    in_root cargo test --locked --workspace --features fleetlog-ops/ec2 --no-fail-fast "$@"
  fi
}

oom_table() {
  install_tools
  trap docker_end EXIT
  docker_begin
  in_root cargo test --quiet --locked --workspace --features fleetlog-ops/ec2 --test agent oom:: \
    -- --nocapture --test-threads 1 9>&-
}

simulate() {
  in_root cargo build --quiet --locked -p fleetlog-sim &&
    in_root "$target/debug/fleetlog-sim" --seeds 1000 --listed docs/simulation.md
}

# The closing line: how many tests passed and failed, whichever runner ran them.
count() {
  local passed failed
  passed=$(sum passed "$1")
  failed=$(($(sum failed "$1") + $(sum 'timed out' "$1")))
  printf '%d passed, %d failed\n' "$passed" "$failed"
}

# Sums the figures before a word in the runner's closing lines.
sum() {
  sed -E 's/\x1b\[[0-9;]*m//g' "$2" | grep -E '^ *(Summary \[|test result:)' |
    grep -oE "[0-9]+ $1" | awk '{ n += $1 } END { print n + 0 }' || true
}
