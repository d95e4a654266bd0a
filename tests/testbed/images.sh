# Base images, since none can be pulled: stand-ins from Debian's packages under the public names, so that ordinary Dockerfiles build
# unchanged; and the node image. Sourced by up.
# shellcheck shell=bash disable=SC2154

images_up() {
  unmount_leftovers
  each_image image
  node_image
}
# each_image CALL: CALL TAG SECONDS RECIPE for every image. debootstrap makes the root folder that most of them start from.
each_image() {
  "$1" "$PAUSE" 1 import_pause
  "$1" busybox:1.37 2 import_busybox
  "$1" "debian:$DEBIAN-slim" 30 import_debian
  "$1" python:3.11-slim 10 import_python
  "$1" nginx:stable 10 import_nginx
  "$1" gcr.io/distroless/static:latest 1 import_distroless
  if [ -x "$(command -v node)" ]; then "$1" node:20-slim 10 import_node; fi   # this machine's Node, if it has one
  "$1" golang:1.26 25 import_golang
  "$1" registry:2 8 import_registry
  "$1" devloop-testbed/node-base:latest 15 import_node_base
}
# image TAG SECONDS RECIPE: made by the function RECIPE unless the engine has it. A stamp holds the recipe's digest and the image's
# id, so an edited recipe makes its image again; an image that is not the one we made (a really pulled one) is never replaced.
image() {
  local tag=$1 id recipe stamp; recipe=$({ declare -f "$3" import debian_image host_tree_image in_root bootstrap; echo "$DEBIAN"; } | sha256sum | cut -c1-16)
  stamp=$(image_stamp "$tag")
  if id=$(image_id "$tag"); then
    if [ "$(cut -d' ' -f2 "$stamp" 2> /dev/null)" != "$id" ]; then say "  image $tag: there already and not made here, kept"; return; fi
    if [ "$(cut -d' ' -f1 "$stamp")" = "$recipe" ]; then return; fi
  fi
  once "$DEBIAN $(declare -f bootstrap | sha256sum | cut -c1-16)" 30 debootstrap bootstrap
  step "image $tag" "$3" "$tag"
  mkdir -p "$home/stamps"; echo "$recipe $(image_id "$tag") $tag" > "$stamp"
}
image_id() { docker image inspect -f '{{.Id}}' "$1" 2> /dev/null; }
image_stamp() { echo "$home/stamps/image-$(printf '%s' "$1" | tr -c 'a-zA-Z0-9' -)"; }

# ---- recipes: the digest of each, as bash prints it, is part of its image's stamp ------------------------------------------------

import_debian() { import "$home/rootfs/debian" "$1" 'CMD ["bash"]'; }
# Debian's own python3 is 3.11. /usr/local/bin/pip has to exist, Dockerfiles name it.
import_python() {
  debian_image "$1" "python3 python3-pip python3-venv" 'ln -sf python3 /usr/bin/python; ln -sf /usr/bin/pip3 /usr/local/bin/pip; rm -f /usr/lib/python3*/EXTERNALLY-MANAGED' 'CMD ["python3"]'
}
import_nginx() {
  debian_image "$1" nginx-light 'ln -sf /dev/stdout /var/log/nginx/access.log; ln -sf /dev/stderr /var/log/nginx/error.log' 'CMD ["nginx","-g","daemon off;"]'
}
# Node has a list of authorities of its own; the variable adds the system's.
import_node() {
  host_tree_image "$1" libstdc++6 copy_node 'CMD ["node"]' 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'
}
copy_node() { # this machine's node and npm
  install -D "$(readlink -f "$(command -v node)")" "$1/usr/local/bin/node"
  mkdir -p "$1/usr/local/lib/node_modules"
  cp -a "$(dirname "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")")/npm" "$1/usr/local/lib/node_modules/"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$1/usr/local/bin/npx"
}
import_golang() {
  host_tree_image "$1" "gcc libc6-dev git" copy_go 'CMD ["bash"]' 'WORKDIR /go' "ENV GOPATH=/go GOTOOLCHAIN=local GOPROXY=$(go env GOPROXY) PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}
copy_go() {
  mkdir -p "$1/usr/local" "$1/go/bin" "$1/go/src"
  cp -a "$(go env GOROOT)" "$1/usr/local/go"
  rm -rf "$1/usr/local/go/test"
}
# As the published image: port 5000, blobs below /var/lib/registry, deleting allowed only when asked for.
import_registry() {
  debian_image "$1" docker-registry "printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp:\n  addr: :5000\n' > /etc/docker/registry/config.yml && mkdir -p /var/lib/registry" 'CMD ["docker-registry","serve","/etc/docker/registry/config.yml"]'
}
import_node_base() {
  debian_image "$1" "runc containernetworking-plugins etcd-server iptables conntrack socat openssl iproute2 kmod mount ebtables ethtool procps curl" true 'CMD ["bash"]'
}
# Debian's dynamic busybox with the C library. Its wget crashes with -T, and so does the static one's. --list names busybox itself;
# linking that would overwrite the binary, and every container then fails with "not found in $PATH".
import_busybox() {
  local root applet
  root=$(mktemp -d)
  mkdir -p "$root"/{bin,tmp,etc,root,var/www,lib64,lib/x86_64-linux-gnu}
  chmod 1777 "$root/tmp"
  (cd "$root/tmp" && apt-get download busybox && dpkg-deb --fsys-tarfile busybox_*.deb | tar -x -C "$root" --strip-components=2 ./bin/busybox && mv "$root/busybox" "$root/bin/" && rm busybox_*.deb)
  for applet in $("$root/bin/busybox" --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
  cp /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
  cp /lib/x86_64-linux-gnu/{libc.so.6,libresolv.so.2} "$root/lib/x86_64-linux-gnu/"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > "$root/etc/passwd"
  printf 'root:x:0:\n' > "$root/etc/group"
  import "$root" "$1" 'CMD ["sh"]' && docker tag "$1" busybox:latest && rm -rf "$root"
}
import_distroless() {
  local root
  root=$(mktemp -d)
  mkdir -p "$root"/{tmp,etc/ssl/certs,home/nonroot}
  chmod 1777 "$root/tmp"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n' > "$root/etc/passwd"
  import "$root" "$1" && docker tag "$1" gcr.io/distroless/static:nonroot && rm -rf "$root"
}
import_pause() {
  local dir
  dir=$(mktemp -d)
  printf '#include <signal.h>\n#include <sys/wait.h>\n#include <unistd.h>\nstatic void end(int s){_exit(0);}\nint main(){signal(SIGTERM,end);signal(SIGINT,end);for(;;){pause();while(waitpid(-1,0,WNOHANG)>0);}}\n' > "$dir/pause.c"
  gcc -Os -static -o "$dir/pause" "$dir/pause.c" && tar -C "$dir" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' - "$1" && rm -rf "$dir"
}

# ---- what the recipes share ------------------------------------------------------------------------------------------------------

# host_tree_image TAG PACKAGES COPY CHANGE…: Debian with packages and with the files of this machine that COPY puts there.
host_tree_image() {
  local tag=$1 packages=$2 copy=$3 root=$home/rootfs/work; shift 3
  rm -rf "$root"; cp -a "$home/rootfs/debian" "$root"
  in_root "$root" "apt-get update && apt-get install -y --no-install-recommends $packages"
  "$copy" "$root"; import "$root" "$tag" "$@"; rm -rf "$root"
}
# debian_image TAG PACKAGES COMMANDS CHANGE: packages installed by the host's apt into a copy of the base.
debian_image() {
  local root=$home/rootfs/work
  rm -rf "$root"; cp -a "$home/rootfs/debian" "$root"
  in_root "$root" "apt-get update && apt-get install -y --no-install-recommends $2 && $3"
  import "$root" "$1" "$4"; rm -rf "$root"
}
in_root() { # with the host's network, proxy and certificates, and without starting services
  cp /etc/resolv.conf "$1/etc/"; printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"; chmod +x "$1/usr/sbin/policy-rc.d"
  chroot "$1" env DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "$2"
  rm -rf "$1"/usr/sbin/policy-rc.d "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb
}
bootstrap() {
  rm -rf "$home/rootfs/debian"; mkdir -p "$home/rootfs"
  debootstrap --variant=minbase --include=ca-certificates "$DEBIAN" "$home/rootfs/debian" && trust_host && rm -rf "$home"/rootfs/debian/var/lib/apt/lists/* "$home"/rootfs/debian/var/cache/apt/archives/*.deb
}
# The host's added certificate authorities (a company proxy, say): pip, npm and go inside a build must trust what the host trusts.
trust_host() {
  mkdir -p "$home/rootfs/debian/usr/local/share/ca-certificates"
  cp /usr/local/share/ca-certificates/*.crt "$home/rootfs/debian/usr/local/share/ca-certificates/" 2> /dev/null || true
  chroot "$home/rootfs/debian" update-ca-certificates
}
# import ROOT TAG CHANGE…: PATH is set, as every published base image does.
import() {
  local root=$1 tag=$2 change changes=(--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'); shift 2
  for change in "$@"; do changes+=(--change "$change"); done
  set -o pipefail; tar -C "$root" -c . | docker import "${changes[@]}" - "$tag"
}
# debootstrap mounts /proc and /sys inside its root. One that was killed leaves them, and nothing may be deleted through them.
unmount_leftovers() {
  local mount
  awk -v root="$home/rootfs/" 'index($2, root) == 1 {print $2}' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
}

# ---- the node image --------------------------------------------------------------------------------------------------------------

node_image() {
  node_image_tag=devloop-testbed/node:$(digest "$here"/node/* "$bin/hyperkube" "$home/node-bin/containerd" "$bin/coredns")
  if [ -n "$(image_id "$node_image_tag")" ]; then return; fi
  step "image node" make_node_image
  local stamp old_tag; stamp=$(image_stamp node)
  if read -r _ _ old_tag 2> /dev/null < "$stamp"; then docker rmi "$old_tag" > /dev/null 2>&1 || true; fi   # stays while a node uses it
  echo "- $(image_id "$node_image_tag") $node_image_tag" > "$stamp"
}
make_node_image() {
  local dir
  dir=$(mktemp -d)
  mkdir "$dir/bin"
  cp "$bin/hyperkube" "$bin/coredns" "$home"/node-bin/* "$dir/bin/"
  cp "$here/node/entrypoint" "$here/node/containerd.toml" "$dir/"
  docker save "$PAUSE" -o "$dir/pause.tar"
  echo "$KUBERNETES" > "$dir/version"
  cat > "$dir/Dockerfile" <<'END'
FROM devloop-testbed/node-base
COPY bin/ /usr/local/bin/
RUN for c in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl crictl; do ln -s hyperkube /usr/local/bin/$c; done && mkdir -p /kind /etc/containerd
COPY pause.tar version /kind/
COPY containerd.toml /etc/containerd/config.toml
COPY entrypoint /usr/local/bin/entrypoint
ENTRYPOINT ["/usr/local/bin/entrypoint"]
END
  docker build -t "$node_image_tag" "$dir"
  rm -rf "$dir"
}
