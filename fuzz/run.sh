#!/usr/bin/env bash
# Runs targets for SECONDS each, guided by coverage: fuzz/run.sh SECONDS [TARGET...]
#
# libFuzzer is linked by the crate libfuzzer-sys, and the coverage is LLVM's own pass, which the
# pinned compiler has: neither cargo-fuzz nor a nightly toolchain is needed, only a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?seconds for each target}
shift
work=target/fuzz
mkdir -p "$work"

cargo build --quiet --package fuzz
plain=$work/plain
cp --remove-destination target/debug/fuzz "$plain"
if (($# > 0)); then targets=("$@"); else mapfile -t targets < <("$plain" list); fi

# Ours only: libraries stay as they are, so nothing but the workspace is built again. Without
# optimization, for its checks of overflow and for what it saves in building; PROFILE=release is faster.
profile=${PROFILE:-dev}
RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/instrument.sh cargo build --quiet --package fuzz \
  --profile "$profile" --features libfuzzer
built=target/${profile/dev/debug}/fuzz
fuzzer=$work/fuzzer
# Another run may be using the old one.
cp --remove-destination "$built" "$fuzzer"

failed=()
for target in "${targets[@]}"; do
  echo "== $target, $seconds s"
  "$plain" seeds "$target" "$work/seeds/$target"
  # What an earlier run has learned goes on growing in corpus/.
  mkdir -p "$work/corpus/$target" "$work/found/$target"
  FUZZ_TARGET=$target "$fuzzer" "$work/corpus/$target" "$work/seeds/$target" \
    -dict="$work/seeds/$target.dict" -artifact_prefix="$work/found/$target/" \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    || failed+=("$target")
done

if ((${#failed[@]} > 0)); then
  echo "found something in: ${failed[*]}"
  echo "see $work/found/; once fixed, the input belongs in fuzz/corpus/TARGET/"
  exit 1
fi
