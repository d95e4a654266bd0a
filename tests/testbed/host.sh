# What the machine itself has to have: apt packages, Go, free disk. Sourced by up.
# shellcheck shell=bash disable=SC2154

# The apt packages that are missing, on one line. Nothing is asked of a machine that has what it needs, so that a warm start
# works without root and without a network.
missing_packages() {
  local missing=()
  engine_answers || has dockerd || missing+=(docker.io)
  # Debian's kernel has AppArmor on, and the engine then wants its parser, which is only a recommended package.
  if ! engine_answers && [ "$(cat /sys/module/apparmor/parameters/enabled 2> /dev/null)" = Y ]; then has apparmor_parser || missing+=(apparmor); fi
  has debootstrap || missing+=(debootstrap)
  has gcc || missing+=(gcc libc6-dev)
  has pgrep || missing+=(procps)
  has curl || missing+=(curl)
  [ -f /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  [ "${which:-core}" != all ] || has mvn || missing+=(maven default-jdk-headless)
  [ "${which:-core}" != all ] || has bazel || missing+=(bazel-bootstrap)
  [ "${which:-core}" != all ] || has podman || missing+=(podman)
  echo "${missing[*]}"
}
has() { command -v "$1" > /dev/null; }

packages_up() {
  local packages; packages=$(missing_packages)
  [ -n "$packages" ] || return 0
  is_debian_root || die "missing: $packages. Installing them needs root on Debian"
  step "apt-get update" apt_get update
  # shellcheck disable=SC2086  # a list
  step "apt-get install $packages" apt_install $packages
}
is_debian_root() { [ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2> /dev/null && has apt-get; }
apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }
# An earlier install that was killed leaves dpkg half-configured, and apt then refuses everything.
apt_install() { DEBIAN_FRONTEND=noninteractive dpkg --configure -a; apt_get install -y --no-install-recommends "$@"; }

# Go, of the version that the newest module asks for; a Go that may fetch toolchains fetches it here.
go_up() {
  has go || die "Go is needed, to compile Kubernetes; see https://go.dev/dl"
  (cd "$here/hyperkube" && go version) > /dev/null || die "this Go is too old: $(go version)"
}

# need_space GB FOLDER …: dies when a file system has less room than these folders, taken together, need on it.
need_space() {
  local -A needed=()
  local mount free
  while [ $# -gt 0 ]; do
    mount=$(df --output=target "$(existing "$2")" | tail -n 1)
    needed[$mount]=$((${needed[$mount]:-0} + $1)); shift 2
  done
  for mount in "${!needed[@]}"; do
    free=$(($(df --output=avail -k "$mount" | tail -n 1) / 1024 / 1024))
    [ "$free" -ge "${needed[$mount]}" ] || die "$mount has $free GB free and ${needed[$mount]} GB are needed; DEVLOOP_TESTBED_HOME, GOCACHE and GOMODCACHE can point elsewhere"
  done
}
existing() { local folder=$1; until [ -d "$folder" ]; do folder=$(dirname "$folder"); done; echo "$folder"; }
