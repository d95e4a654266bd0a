# The Docker engine: the one that answers, else Debian's, started here. Sourced by up.
# shellcheck shell=bash disable=SC2154

engine_answers() { timeout 20 docker version --format '{{.Server.Version}}' > /dev/null 2>&1; }

engine_up() {
  if engine_answers; then return; fi
  [ -z "${DOCKER_HOST:-}" ] || die "DOCKER_HOST is set to $DOCKER_HOST and no engine answers there"
  [ "$(id -u)" = 0 ] || die "no Docker engine answers, and starting one needs root"
  mkdir -p "$home/docker"
  if lacks_sys_resource; then
    once "$(digest "$here"/runc-vm/*)" 5 "go build runc-vm" build_runc_vm
    printf '{"default-runtime": "vm", "runtimes": {"vm": {"path": "%s"}}, "features": {"buildkit": true}}\n' "$home/docker/runc-vm" > "$home/docker/daemon.json"
  elif [ -d /run/systemd/system ]; then
    step "engine: systemctl start docker" systemctl start docker
    return
  else
    printf '{"features": {"buildkit": true}}\n' > "$home/docker/daemon.json"
  fi
  step "engine: start" start_engine
}
# Some virtual machines drop CAP_SYS_RESOURCE: privileged containers and negative OOM scores then need a runtime that asks for less.
lacks_sys_resource() { [ $((0x$(awk '/CapBnd/ {print $2}' /proc/self/status) >> 24 & 1)) = 0 ]; }
build_runc_vm() { cd "$here/runc-vm" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$home/docker/runc-vm" .; }

start_engine() {
  # One that is still ending is waited for. A pid file that a killed one left keeps the next from starting once its number is
  # another process's; that of a containerd which survived is needed, the next engine takes that one over.
  for _ in $(seq 100); do is_alive dockerd || break; sleep 0.2; done
  is_alive dockerd || rm -f /var/run/docker.pid
  is_alive containerd "$(cat /var/run/docker/containerd/containerd.pid 2> /dev/null)" || rm -f /var/run/docker/containerd/containerd.pid
  setsid nohup dockerd --config-file "$home/docker/daemon.json" < /dev/null > "$home/docker/dockerd.log" 2>&1 9>&- &
  echo $! > "$home/docker/pid"
  # A container that outlived a killed engine is ended by the next one before it answers, which takes ten seconds.
  for _ in $(seq 300); do
    if engine_answers; then return; fi
    kill -0 "$(cat "$home/docker/pid")" || break
    sleep 0.2
  done
  tail -n 20 "$home/docker/dockerd.log"
  return 1
}
# is_alive PROGRAM [PID]: there is such a process, and it is more than an unreaped child of one that does not care.
is_alive() {
  local pid
  for pid in $(pgrep -x "$1" --runstates R,S,D,T,I); do
    [ -z "${2+set}" ] || [ "$pid" = "$2" ] || continue
    return 0
  done
  return 1
}
