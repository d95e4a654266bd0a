# What is missing and about how long it takes, said before any of it is done. Sourced by up.
# shellcheck shell=bash disable=SC2154

# plan WHICH: prints it, and dies when the disk has no room for it. Only reads.
plan() {
  local packages; packages=$(missing_packages)
  tools=() images=() seconds=0
  each_tool "$1" want_tool
  each_image want_image
  if [ -z "$packages" ] && [ ${#tools[@]} = 0 ] && [ ${#images[@]} = 0 ]; then
    need_space 1 /var/lib
    return
  fi
  [ -z "$packages" ] || seconds=$((seconds + 40))
  say "testbed: to be made first, about $((seconds / 60 + 1)) min on 2 cores; kept in $home, the next time takes seconds"
  [ -z "$packages" ] || say "  apt-get install: $packages"
  [ ${#tools[@]} = 0 ] || say "  compiled by Go: ${tools[*]}"
  [ ${#images[@]} = 0 ] || say "  images made of Debian packages: ${images[*]}"
  if [ ${#tools[@]} = 0 ]; then need_space 1 "$home" 3 /var/lib; return; fi
  go_up
  need_space 1 "$home" 3 /var/lib 6 "$(go env GOCACHE)" 4 "$(go env GOMODCACHE)"
}
want_tool() { # as `once`
  local tool=${3##* }
  is_made "$1" "$3" && return
  tool=${tool%/v[0-9]}; tools+=("${tool##*/}"); seconds=$((seconds + $2))
}
want_image() { # as `image`; the engine may not run yet, so a stamp stands for the image
  if [ -f "$(image_stamp "$1")" ] || image_id "$1" > /dev/null; then return; fi
  images+=("$1"); seconds=$((seconds + $2))
}
