# Words that up, down, env and smoke share: where things are, steps with a log, stamps. Sourced by bash.
# shellcheck shell=bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -n "${HOME:-}" ] || { HOME=$(getent passwd "$(id -u)" | cut -d: -f6); export HOME; }
home=${DEVLOOP_TESTBED_HOME:-$HOME/.cache/devloop-testbed}
name=${DEVLOOP_TESTBED_NAME:-devloop}
bin=$home/bin
# shellcheck source=versions
. "$here/versions"
# Root's PATH can lack the system folders (su), and Go's own installer adds none.
export PATH=$bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin KUBECONFIG=$home/$name.kubeconfig

say() { printf '%s\n' "$*" >&2; }
die() { say "testbed: $*"; exit 1; }

# ---- steps ---------------------------------------------------------------------------------------------------------------------

# attempt WHAT COMMAND…: runs it with its output in a log, says how long it took, and leaves its exit code in $outcome. It runs in
# the background and is waited for, because bash ignores "set -e" inside a function that a condition calls (so `attempt` and `step`
# must not stand in one either), and in a process group of its own (set -m), so that an interrupt ends all of it.
attempt() {
  local what=$1 began=$SECONDS; shift
  log=$home/log/$(file_name "$what").log
  mkdir -p "$home/log"
  set -m
  (set -e; "$@") < /dev/null > "$log" 2>&1 &
  running=$!
  set +m
  outcome=0; wait "$running" || outcome=$?
  running=
  if [ "$outcome" = 0 ]; then say "  $what: $((SECONDS - began)) s"; else say "  $what: FAILED after $((SECONDS - began)) s"; fi
}
# step WHAT COMMAND…: an attempt that has to succeed.
step() {
  attempt "$@"
  [ "$outcome" != 0 ] || return 0
  tail -n 30 "$log" >&2
  if grep -qE 'dial tcp|no such host|Could not resolve|Temporary failure resolving|Network is unreachable|Connection timed out' "$log"; then
    say "testbed: it looks as if the network, or a registry of apt or Go, cannot be reached"
  fi
  die "$1 failed; log: $log"
}
running=
interrupted() {
  trap - INT TERM
  [ -z "$running" ] || kill -TERM -- "-$running" 2> /dev/null || true
  say "testbed: interrupted; what is finished stays, run it again to go on"
  exit 130
}
trap interrupted INT TERM

# ---- stamps: what was made, and from which key ---------------------------------------------------------------------------------

file_name() { printf '%s' "$1" | tr -c 'a-zA-Z0-9\n' -; }
digest() { cat "$@" | sha256sum | cut -c1-16; }
# is_made KEY WHAT
is_made() { local stamp; stamp=$home/stamps/$(file_name "$2"); [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$1" ]; }
# once KEY SECONDS WHAT COMMAND…: a step that is skipped while its stamp holds the same key. SECONDS: about how long it takes.
once() {
  local key=$1 seconds=$2 what=$3; shift 3
  if is_made "$key" "$what"; then return; fi
  [ "$seconds" -lt 20 ] || say "  $what … (about $seconds s)"
  step "$what" "$@"
  mkdir -p "$home/stamps"; printf '%s' "$key" > "$home/stamps/$(file_name "$what")"
}

# ---- one at a time -------------------------------------------------------------------------------------------------------------

# Waits for another up or down on the same home. The lock is this process's and its steps' until the last of them ends, so a step
# that outlived a killed `up` is waited for too. Only the engine must not hold it (engine.sh closes file descriptor 9).
lock() {
  mkdir -p "$home"
  exec 9> "$home/lock"
  flock -n 9 && return
  say "testbed: another up or down is at work in $home, waiting for it"
  flock 9
}

nodes() { docker ps -aq --filter "label=io.x-k8s.kind.cluster=$name"; }
