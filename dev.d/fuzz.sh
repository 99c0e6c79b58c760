# Fuzzing: libFuzzer over the targets in sim/targets, beginning with what is kept in sim/fuzz/corpus.
# shellcheck shell=bash
: "${state:?}"

# fuzz TARGET [SECONDS]: new input stays under .dev/fuzz; keep in sim/fuzz/corpus what found something.
fuzz() {
  local name=${1:-} seconds=${2:-60} new
  [ -f "$root/sim/fuzz/fuzz_targets/$name.rs" ] ||
    fail "say which target: $(cd "$root/sim/fuzz/fuzz_targets" && echo *.rs | sed 's/\.rs//g')"
  cargo +nightly --version >/dev/null 2>&1 ||
    fail 'fuzzing needs a nightly compiler: rustup toolchain install nightly'
  cargo fuzz --version >/dev/null 2>&1 || fail 'cargo-fuzz is missing: cargo install --locked cargo-fuzz'
  new=$state/fuzz/$name
  mkdir -p "$new"
  cd "$root/sim/fuzz"
  CARGO_TARGET_DIR=$target/fuzz cargo +nightly fuzz run --fuzz-dir . "$name" "$new" "corpus/$name" -- \
    -max_total_time="$seconds" -max_len=16384 -timeout=20 -artifact_prefix="$new-"
}
