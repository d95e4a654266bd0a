# The command-line tools and Kubernetes itself, compiled by Go from their modules. Sourced by up.
# shellcheck shell=bash disable=SC2154
export CGO_ENABLED=0

tools_up() { mkdir -p "$bin"; each_tool "$1" once; }

# each_tool WHICH CALL: CALL KEY SECONDS WHAT COMMAND… for every program; WHICH: core or all.
each_tool() {
  local tool
  "$2" "$KIND" 25 "go install ${KIND%@*}" go_install "$KIND"
  "$2" "$KUSTOMIZE" 15 "go install ${KUSTOMIZE%@*}" go_install "$KUSTOMIZE"
  "$2" "$HELM" 70 "go install ${HELM%@*}" go_install "$HELM"
  "$2" "$KO" 25 "go install ${KO%@*}" go_install "$KO"
  "$2" "$BUILDX" 80 "go install buildx" install_buildx
  "$2" "$COREDNS" 110 "go install coredns" go_install "$COREDNS"
  "$2" "$CONTAINERD" 60 "go install containerd" install_containerd
  "$2" "$(digest "$here"/hyperkube/*)" 280 "go build hyperkube" build_hyperkube
  [ "$1" = all ] || return 0
  for tool in $EXTRAS; do "$2" "$tool" 10 "go install ${tool%@*}" go_install "$tool"; done
  "$2" "$HELM4" 10 "go install helm4" install_helm4
  "$2" "$STRUCTURE_TEST" 35 "go build container-structure-test" build_structure_test
  "$2" "$BUILDKIT" 120 "go build buildkitd" build_buildkitd
  "$2" "$MOBY" 240 "go install dockerd" install_store_engine
}

go_install() { GOBIN=$bin go install -trimpath -ldflags '-s -w' "$1"; }
install_helm4() { GOBIN=$home/helm4 go install -trimpath -ldflags '-s -w' "$HELM4" && ln -sf "$home/helm4/helm" "$bin/helm4"; }
# Where a proxy does not list the versions of a module, `go install` refuses to; its source can be had all the same.
build_structure_test() {
  local source
  source=$(go mod download -json "$STRUCTURE_TEST" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
  (cd "$source" && go build -trimpath -ldflags '-s -w' -o "$bin/container-structure-test" ./cmd/container-structure-test)
}
# The docker command finds plug-ins only in its own folders; a link that works, be it ours or the user's, is left alone.
plugin=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-buildx
install_buildx() {
  go_install "$BUILDX"
  mkdir -p "$(dirname "$plugin")"
  [ -e "$plugin" ] || ln -sf "$bin/buildx" "$plugin"
}
install_containerd() {
  local command
  for command in containerd ctr containerd-shim-runc-v2; do
    GOBIN=$home/node-bin go install -trimpath -ldflags '-s -w' "github.com/containerd/containerd/v2/cmd/$command@$CONTAINERD"
  done
}
# Its go.mod leaves versions out, and `go install` of a version refuses that; as a module's dependency it is as pinned.
build_buildkitd() {
  local source; source=$(mktemp -d)
  (cd "$source" && go mod init devloop-testbed/buildkitd && go get "$BUILDKIT" &&
    go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$bin/buildkitd" "${BUILDKIT%@*}")
  rm -rf "$source"
}
build_hyperkube() {
  local version=$KUBERNETES minor=${KUBERNETES#v1.} flags
  flags="-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/client-go/pkg/version.gitVersion=$version"
  flags="$flags -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}"
  (cd "$here/hyperkube" && go build -trimpath -buildvcs=false -o "$bin/hyperkube" -ldflags "$flags" .)
  ln -sf hyperkube "$bin/kubectl"
}
