# A container runtime with one image that needs no network. Whoever starts dockerd here notes its
# process id; the last run that uses it stops it again. One that runs already is left alone.
# shellcheck shell=bash
: "${state:?}"

docker_answers() { docker info >/dev/null 2>&1; }

# Holds a shared lock (descriptor 9) while this script uses docker.
docker_begin() {
  exec 9>"$state/docker.lock"
  flock -s 9
  docker_start
  docker_image
}

docker_start() {
  docker_answers && return
  as_root_or_say 'a running docker'
  (
    flock 8
    docker_answers && exit
    say 'starting dockerd'
    setsid dockerd >"$state/dockerd.log" 2>&1 8>&- 9>&- &
    echo $! >"$state/dockerd.pid"
    wait_until 60 docker_answers
  ) 8>"$state/dockerd.start" || fail "dockerd does not answer: see $state/dockerd.log"
}

# The image local/busybox: this machine's static busybox under all of its names.
docker_image() {
  [ -n "$(docker images -q local/busybox:latest)" ] && return
  say 'importing the image local/busybox'
  local root applet
  root=$(mktemp -d "$state/image.XXXXXX")
  mkdir -p "$root"/{bin,dev,etc,proc,root,sys,tmp,var}
  chmod 1777 "$root/tmp"
  cp /bin/busybox "$root/bin/busybox"
  for applet in $(/bin/busybox --list); do
    [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  tar -C "$root" --owner=0 --group=0 --numeric-owner -c . |
    docker import --change 'CMD ["sh"]' - local/busybox:latest >/dev/null
  rm -rf "$root"
}

# Stops the dockerd that was started here, unless another run still uses it.
docker_end() {
  [ -e "$state/dockerd.pid" ] || return 0
  [ ! -e "$state/docker.keep" ] || return 0
  flock -n -x 9 || return 0
  docker_stop
}

docker_stop() {
  local pid
  pid=$(cat "$state/dockerd.pid")
  rm -f "$state/dockerd.pid" "$state/docker.keep"
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || return 0
  say 'stopping dockerd'
  kill "$pid"
  wait_until 30 gone "$pid" || say "dockerd ($pid) does not stop"
}

gone() { [ ! -e "/proc/$1" ]; }
