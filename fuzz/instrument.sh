#!/usr/bin/env bash
# The compiler for our own crates (RUSTC_WORKSPACE_WRAPPER): with LLVM's coverage for libFuzzer,
# build scripts left out.
set -euo pipefail

rustc=$1
shift
case " $* " in
*' build_script_'*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" \
  -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
