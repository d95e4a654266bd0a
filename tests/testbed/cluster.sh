# The cluster: node containers with kind's labels and names, so that the kind command and every tool that knows kind work with it.
# Sourced by up and down.
# shellcheck shell=bash disable=SC2154

cluster_up() { # workers
  local index existed; existed=$(nodes)
  docker network inspect kind > /dev/null 2>&1 || docker network create kind > /dev/null
  control_plane_up
  if [ "$outcome" != 0 ] && [ -n "$existed" ]; then
    say "  the node that was there does not come back; it is removed and made anew"
    remove_cluster
    control_plane_up
  fi
  [ "$outcome" = 0 ] || { tail -n 30 "$log" >&2; die "the node does not come up; log: $log"; }
  for index in $(seq 1 "$1"); do node_up "$index" worker "$name-worker$([ "$index" = 1 ] || echo "$index")"; must; done
  for index in $(docker ps -aq --filter status=exited --filter "label=io.x-k8s.kind.cluster=$name"); do step "start node $index" docker start "$index"; done
  step "nodes ready" wait_for_nodes
  step "routes between nodes" connect_nodes
  step "DNS and storage" kubectl apply -f "$here/node/cluster.yaml"
  dns_endpoint
}
control_plane_up() {
  node_up 0 control-plane "$name-control-plane"
  [ "$outcome" != 0 ] || attempt "API server" wait_for_api
}
must() { [ "$outcome" = 0 ] || { tail -n 30 "$log" >&2; exit 1; }; }

# node_up INDEX ROLE CONTAINER: runs it, whatever became of an earlier one; $outcome tells. Only one that does not run is ever renewed.
node_up() {
  outcome=0
  case $(docker inspect -f '{{.State.Status}} {{.Config.Image}}' "$3" 2> /dev/null) in
    "") create_node "$@";;
    "running $node_image_tag") ;;
    running*) say "  $3: running, but from an older node image; down and up renew it";;
    paused*) attempt "unpause $3" docker unpause "$3";;
    *"$node_image_tag") attempt "start $3" docker start "$3";;
    *) docker rm -fv "$3" > /dev/null; create_node "$@";;
  esac
}
create_node() { # as node_up
  local publish=()
  [ "$2" != control-plane ] || publish=(-p "127.0.0.1:$(free_port):6443")
  attempt "create $3" docker run -d --privileged --cgroupns=private --network kind --hostname "$3" --name "$3" \
    --label "io.x-k8s.kind.cluster=$name" --label "io.x-k8s.kind.role=$2" --tmpfs /run --tmpfs /tmp:exec -v /var -v "$name-pki:/kind/pki" \
    -e "CLUSTER=$name" -e "ROLE=$2" -e "INDEX=$1" -e KUBECONFIG=/kind/local.conf "${publish[@]}" "$node_image_tag"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_for_api() {
  local end=$((SECONDS + 60))
  while [ "$SECONDS" -lt "$end" ]; do
    if write_kubeconfig && kubectl get --raw /readyz --request-timeout=5s; then return; fi
    [ -n "$(docker ps -q --filter "name=^$name-control-plane\$")" ] || { docker logs "$name-control-plane"; return 1; }
    sleep 0.25
  done
  return 1
}
# Replaced in one move and only when it differs: whoever uses the cluster meanwhile never reads half a file.
write_kubeconfig() {
  (umask 077; kind get kubeconfig --name "$name" > "$KUBECONFIG.new" 2> /dev/null) || return 1
  if cmp -s "$KUBECONFIG.new" "$KUBECONFIG"; then rm -f "$KUBECONFIG.new"; else mv "$KUBECONFIG.new" "$KUBECONFIG"; fi
}
# As many as there are containers: "wait --all" alone is content with those that have registered. And each kubelet has to answer:
# the condition of a node that was killed stays True for 40 s.
wait_for_nodes() {
  local node
  for _ in $(seq 240); do [ "$(kubectl get nodes -o name | wc -l)" -ge "$(nodes | wc -l)" ] && break; sleep 0.25; done
  for node in $(kubectl get nodes -o name | cut -d/ -f2); do
    for _ in $(seq 240); do kubectl get --raw "/api/v1/nodes/$node/proxy/healthz" && break; sleep 0.25; done
  done
  kubectl wait --for=condition=Ready node --all --timeout=90s
}
# Pods of different nodes reach each other by plain routes. A restarted node has lost its own and may have another address, so this
# runs at each `up`, whatever its --workers.
connect_nodes() {
  local a b index address
  for b in $(nodes); do
    index=$(docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' "$b" | sed -n 's/^INDEX=//p'); address=$(node_address "$b")
    for a in $(nodes); do [ "$a" = "$b" ] || docker exec "$a" ip route replace "10.244.$index.0/24" via "$address"; done
  done
}
node_address() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
dns_endpoint() {
  kubectl apply -f - > /dev/null <<END
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: ["$(node_address "$name-control-plane")"]}]
END
}

remove_cluster() {
  local ids; ids=$(nodes)
  # shellcheck disable=SC2086  # a list
  [ -z "$ids" ] || docker rm -fv $ids > /dev/null
  docker volume rm -f "$name-pki" > /dev/null 2>&1 || true
  rm -f "$home/$name.kubeconfig"
}
