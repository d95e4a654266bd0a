# A second Docker engine beside the first: a recent one, which keeps its images in containerd's store, on a socket of its own.
# It leaves the machine's packet filter and docker0 alone, which are the first engine's. Sourced by up, down and store.
# shellcheck shell=bash disable=SC2154
store=$home/store
store_run=/run/devloop-testbed                      # sockets and mounts: nothing in it outlives the machine
store_host=unix://$store/docker.sock
store_bridge=devloop0 store_bridge_address=10.231.0.1/24 store_kind=10.231.1.0/24
store_images="busybox:1.37 python:3.11-slim registry:2"

in_store() { DOCKER_HOST=$store_host "$@"; }
store_containerd_answers() { timeout 5 "$home/node-bin/ctr" --address "$store_run/containerd.sock" version > /dev/null 2>&1; }
store_answers() { in_store timeout 20 docker version > /dev/null 2>&1; }

# Compiled by tools.sh. Debian's docker-proxy is older than the option by which this dockerd hands it a listener.
install_store_engine() {
  local module=github.com/moby/moby/v2
  GOBIN=$store/bin go install -trimpath -ldflags "-s -w -X $module/dockerversion.Version=$DOCKER" "$module/cmd/dockerd@$MOBY"
  GOBIN=$store/bin go install -trimpath -ldflags '-s -w' "$module/cmd/docker-proxy@$MOBY"
  mv "$store/bin/dockerd" "$store/bin/dockerd-store"   # engine.sh knows the first engine by its program's name
}

store_engine_up() {
  if store_answers; then return; fi
  [ "$(id -u)" = 0 ] || die "starting an engine needs root"
  mkdir -p "$store" "$store_run"
  # shellcheck disable=SC2015
  ip link show "$store_bridge" > /dev/null 2>&1 || { ip link add "$store_bridge" type bridge && ip addr add "$store_bridge_address" dev "$store_bridge"; }
  ip link set "$store_bridge" up
  local runtime=
  if lacks_sys_resource; then
    once "$(digest "$here"/runc-vm/*)" 5 "go build runc-vm" build_runc_vm
    runtime=$(printf '"default-runtime": "vm", "runtimes": {"vm": {"path": "%s"}},' "$home/docker/runc-vm")
  fi
  # Without default-address-pools: with them it would remove docker0 at its second start.
  cat > "$store/daemon.json" << JSON
{$runtime "features": {"containerd-snapshotter": true, "time-namespaces": false}, "hosts": ["$store_host"], "pidfile": "$store/pid",
 "data-root": "$store/data", "exec-root": "$store_run/docker", "containerd": "$store_run/containerd.sock",
 "iptables": false, "ip6tables": false, "userland-proxy-path": "$store/bin/docker-proxy",
 "bridge": "$store_bridge"}
JSON
  cat > "$store/containerd.toml" << TOML
version = 3
root = '$store/containerd'
state = '$store_run/containerd'
disabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime']
[grpc]
  address = '$store_run/containerd.sock'
TOML
  step "engine with containerd's store: start" start_store_engine
}
start_store_engine() {
  # The pid file of a killed one keeps the next from starting once its number is another process's.
  is_alive dockerd-store || rm -f "$store/pid"
  # Waited for: dockerd gives up at once on the socket that a killed one left. Its number may be another containerd's by now.
  if ! store_containerd_answers; then
    rm -f "$store_run"/containerd.sock*
    PATH=$home/node-bin:$PATH setsid nohup containerd --config "$store/containerd.toml" < /dev/null > "$store/containerd.log" 2>&1 9>&- &
    echo $! > "$store/containerd.pid"
    for _ in $(seq 100); do ! store_containerd_answers || break; sleep 0.2; done
  fi
  setsid nohup "$store/bin/dockerd-store" --config-file "$store/daemon.json" < /dev/null > "$store/dockerd.log" 2>&1 9>&- &
  for _ in $(seq 300); do
    if store_answers; then return; fi
    is_alive dockerd-store $! || break
    sleep 0.2
  done
  tail -n 20 "$store/containerd.log" "$store/dockerd.log"
  return 1
}

# The first engine's images, as that one saves them.
store_images_up() { # MORE…
  local each missing=()
  for each in $store_images "$@"; do [ -n "$(in_store image_id "$each")" ] || missing+=("$each"); done
  [ ${#missing[@]} = 0 ] || step "images into containerd's store" load_store_images "${missing[@]}"
}
load_store_images() { set -o pipefail; docker save "$@" | in_store docker load; }

# The cluster is called after the first one. In a shell of its own, where docker means this engine.
in_store_cluster() { export DOCKER_HOST=$store_host; name=$name-store; KUBECONFIG=$home/$name.kubeconfig; }
store_up() {
  store_engine_up
  node_image
  store_images_up "$node_image_tag"
  (in_store_cluster; kind_network_up; cluster_up 0)
}
kind_network_up() { docker network inspect kind > /dev/null 2>&1 || docker network create --subnet "$store_kind" kind > /dev/null; }
store_down() {
  if store_answers; then (in_store_cluster; remove_cluster); fi
  store_containerd_answers || rm -f "$store/containerd.pid"
  local each pid
  for each in "dockerd-store $store/pid" "containerd $store/containerd.pid"; do
    pid=$(cat "${each#* }" 2> /dev/null) && is_alive "${each% *}" "$pid" || continue
    kill "$pid"
    for _ in $(seq 100); do is_alive "${each% *}" "$pid" || break; sleep 0.2; done
  done
  ip link del "$store_bridge" 2> /dev/null || true
}
