# What check, test and demo share: a Python environment with devloop in it, and a cluster to run on. Sourced by bash, also by the
# old one of macOS. Comes in: DEVLOOP_TEST_CONTEXT. Never touches a cluster that was not named by it or made from here.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
exec < /dev/null   # nothing here asks questions; a closed standard input would give its number to the next file opened
[ -n "${HOME:-}" ] || { HOME=$(getent passwd "$(id -u)" | cut -d: -f6); export HOME; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.venv
testbed=$root/tests/testbed
testbed_all=   # --all: also the tools that only some tests need
cache=${DEVLOOP_TESTBED_HOME:-$HOME/.cache/devloop-testbed}
me=scripts/$(basename "$0")
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin

say() { printf '%s\n' "$me: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" > /dev/null 2>&1; }
is_debian_root() { [ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2> /dev/null && has apt-get; }

# ---- Python ----------------------------------------------------------------------------------------------------------------------

# The stamp names what the environment was made from; an edited pyproject.toml or another place makes it again.
venv_key() { { echo "$root"; cat pyproject.toml; } | cksum; }
venv_is_fresh() { [ "$(cat "$venv/.devloop-stamp" 2> /dev/null)" = "$(venv_key)" ] && "$venv/bin/python" -c '' 2> /dev/null; }

venv_up() {
  if venv_is_fresh; then return; fi
  local python; python=$(find_python)
  exec 8< pyproject.toml
  if has flock; then flock 8; if venv_is_fresh; then exec 8<&-; return; fi; fi
  "$python" -c 'import ensurepip' 2> /dev/null || install_ensurepip "$python"
  "$venv/bin/python" -c 'import pip' 2> /dev/null || "$python" -m venv --clear "$venv"
  # --group is newer than the pip that Debian's Python brings.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e . --group dev
  venv_key > "$venv/.devloop-stamp"
  exec 8<&-
}
find_python() {
  local each
  for each in python3 python3.13 python3.12 python3.11 python; do
    if "$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then echo "$each"; return; fi
  done
  die "Python 3.11 or newer is needed"
}
install_ensurepip() {
  is_debian_root || die "$1 has no ensurepip; install python3-venv"
  say "apt-get install python3-venv"
  apt-get -qq -o DPkg::Lock::Timeout=300 update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends python3-venv > /dev/null
}

# ---- cluster ---------------------------------------------------------------------------------------------------------------------

# Chooses, without touching anything: $cluster is context, kind, testbed or none, and $reason says why none.
#   context   the one that DEVLOOP_TEST_CONTEXT names
#   kind      a kind cluster of our own, where kind and an engine are installed (a laptop)
#   testbed   tests/testbed, on Debian as root
choose_cluster() {
  reason=
  if [ -n "${DEVLOOP_TEST_CONTEXT:-}" ]; then cluster=context
  elif has_own_kind && engine_answers; then cluster=kind
  elif can_have_testbed; then cluster=testbed
  else cluster=none; reason="no kind with a Docker engine here, and the test bed needs root on Debian 12 with Go"; fi
}
engine_answers() { docker version > /dev/null 2>&1; }
has_own_kind() { case $(command -v kind) in "" | "$cache"/*) return 1;; esac; }
has_devloop_test() { kind get clusters 2> /dev/null | grep -x devloop-test > /dev/null; }
can_have_testbed() { is_debian_root && { has go || [ -x "$cache/bin/kubectl" ]; }; }

# Says what will be installed and about how long it takes, before anything is done.
plan() {
  venv_is_fresh || say "first, about 1 min: Python packages into .venv"
  case $cluster in
    kind) has_devloop_test || say "first, about 1 min: kind create cluster --name devloop-test";;
    testbed) "$testbed/up" --plan $testbed_all;;
    context | none) ;;
  esac
}

# Brings up what was chosen and exports DEVLOOP_TEST_CONTEXT, KUBECONFIG and PATH. When that fails, $cluster is none and $reason why.
cluster_up() {
  case $cluster in
    context) has kubectl || die "DEVLOOP_TEST_CONTEXT needs kubectl"
      kubectl --context "$DEVLOOP_TEST_CONTEXT" --request-timeout=10s get --raw /readyz > /dev/null || die "the cluster of context $DEVLOOP_TEST_CONTEXT does not answer";;
    kind) kind_up;;
    testbed) testbed_up;;
    none) ;;
  esac
}
# In a kubeconfig of its own: kind would change the current context of the user's.
kind_up() {
  local config=$cache/devloop-test.kubeconfig
  mkdir -p "$cache"
  if has_devloop_test; then kind export kubeconfig --quiet --name devloop-test --kubeconfig "$config" || true
  else kind create cluster --name devloop-test --kubeconfig "$config" --wait 120s || true; fi
  if has kubectl && kubectl --kubeconfig "$config" --request-timeout=10s get --raw /readyz > /dev/null 2>&1; then
    export KUBECONFIG=$config DEVLOOP_TEST_CONTEXT=kind-devloop-test
    say "the cluster devloop-test stays for the next time; kind delete cluster --name devloop-test removes it"
  elif can_have_testbed; then
    say "kind gives no cluster (no image can be pulled?); taking the test bed"
    cluster=testbed; testbed_up
  else cluster=none; reason="kind create cluster --name devloop-test gave no cluster that kubectl reaches"; fi
}
testbed_up() {
  local lines
  if lines=$("$testbed/up" $testbed_all); then
    eval "$lines"
    export DEVLOOP_TEST_CONTEXT=kind-${DEVLOOP_TESTBED_NAME:-devloop}
  else cluster=none; reason="the test bed did not come up, see above"; fi
}
