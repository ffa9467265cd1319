#!/usr/bin/env bash
# Builds the image and runs tests of it, and of this clone, on the platform that production has: a root
# with the Debian and the Node that package.json names under `production`. PostgreSQL and Redis are
# those of the machine (DATABASE_URL, REDIS_URL, the usual local ports), or the tests start their own.
#
#   scripts/production-platform.sh              the image, and the suites that touch the native server, but for
#                                               those that are about processes (workers, stopping, signals)
#   scripts/production-platform.sh --processes  these, too
#   scripts/production-platform.sh --all        the image, and the whole of `npm test`
#   scripts/production-platform.sh -- COMMAND   one command in this clone, for instance
#                                               npx vitest run test/realtime
#   --report FILE                               vitest's JSON report goes there
#
# Needs root on Linux, and debootstrap, which is installed where apt-get can. The root is kept in the
# user's cache; each run sees it through an overlay of its own, in namespaces of its own: whatever a run
# mounts, writes or starts is gone when its first process ends, however it ends.
# Exit code: 0 all passed, 1 something failed, 3 this machine cannot do it, and nothing was tried.
set -euo pipefail

readonly CAN_NOT=3
readonly MAX_AGE_DAYS=30
readonly LIMIT_S=600 LIMIT_ALL_S=1800
# Beside what debootstrap takes: the packages npm fetches, and tests that start a Redis of their own.
readonly DEBIAN_PACKAGES=ca-certificates,redis-server
readonly NPM=npm@11
readonly NATIVE_SUITES=(realtime conformance http peers audience delivery)
readonly PROCESS_SUITES=(workers process)

clone="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
readonly clone

main() {
  local extent='' report='' limit="$LIMIT_S"
  while (($# > 0)); do
    case "$1" in
      --all) extent=--all limit="$LIMIT_ALL_S" && shift ;;
      --processes) extent=--processes && shift ;;
      --report) report="$2" && shift 2 ;;
      --) shift && break ;;
      *) sed -n '2,/^set -/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2 && exit 2 ;;
    esac
  done
  [[ -d "$clone/node_modules" ]] || { echo 'The packages are missing: run npm ci first.' >&2; exit 1; }
  local node debian
  node="$(fact node)" debian="$(fact codename)"
  make_possible

  local cache="${XDG_CACHE_HOME:-$HOME/.cache}/messaging-service/platform"
  mkdir -p "$cache"
  exec 8>"$cache/lock"
  flock 8
  remove_leftovers "$cache"
  local root
  root="$cache/$debian-node$node-$(cksum <<<"$DEBIAN_PACKAGES $NPM" | cut -d' ' -f1)"
  if is_old "$root"; then timed "a root with $debian and Node $node" make_root "$root" "$debian" "$node"; fi
  # Not local: the trap outlives this function.
  run="$(mktemp -d "$cache/run.XXXXXX")"
  trap 'rm -rf --one-file-system "$run"' EXIT
  # While they are held, nobody renews the root or takes this run for a killed one.
  exec 6<"$root" 7<"$run"
  flock --shared 6
  flock 7
  exec 8>&-

  local arguments=("$@")
  if ((${#arguments[@]} == 0)); then arguments=("$extent"); else limit=0; fi
  # Its end, however it comes about, is the end of everything inside; and this script's end is its own.
  setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation private \
    bash "${BASH_SOURCE[0]}" --inside "$root" "$run" "${report:-/dev/null}" "$limit" "${arguments[@]}" <&0 &
  inside=$!
  trap 'kill -KILL "$inside"; exit 1' INT TERM HUP
  wait "$inside" || exit 1
}

fact() { node -p 'require(process.argv[1]).production[process.argv[2]]' "$clone/package.json" "$1"; }

can_not() {
  printf '\n*** The production platform was NOT tested: %s. ***\n\n' "$1" >&2
  exit "$CAN_NOT"
}

make_possible() {
  [[ "$(uname -s)" == Linux ]] || can_not 'it needs Linux'
  [[ "$(id -u)" == 0 ]] || can_not 'it needs root'
  unshare --mount --pid --fork true 2>/dev/null || can_not 'this machine allows no namespaces of its own'
  if ! command -v debootstrap >/dev/null && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring; } \
      >/dev/null || true
  fi
  command -v debootstrap >/dev/null || can_not 'debootstrap is not there and could not be installed'
}

# Of runs that were killed: their mounts went with them.
remove_leftovers() {
  local leftover
  for leftover in "$1"/run.*; do
    if [[ -d "$leftover" ]]; then
      flock --nonblock "$leftover" rm -rf --one-file-system "$leftover" || true
    fi
  done
}

# Whether there is none, or an old one that nobody uses at the moment.
is_old() {
  [[ ! -d "$1" ]] || { [[ -n "$(find "$1/etc/made" -mtime "+$MAX_AGE_DAYS")" ]] && flock --nonblock "$1" true; }
}

# Made beside its place: what is in the place is whole.
make_root() {
  local root="$1" debian="$2" node="$3" making="$1.making" log="$1.log"
  rm -rf --one-file-system "$making"
  # In a namespace, because what debootstrap mounts must not outlive it.
  if unshare --mount --propagation private \
    bash "${BASH_SOURCE[0]}" --fill "$making" "$debian" "$node" >"$log" 2>&1; then
    if [[ -d "$root" ]]; then mv "$root" "$making.old"; fi
    mv "$making" "$root"
    rm -rf --one-file-system "$making.old" "$log"
  elif [[ -d "$root" ]]; then
    printf 'The root could not be renewed, and the old one is used: %s\n' "$(tail -n 1 "$log")" >&2
  else
    tail -n 20 "$log" >&2
    can_not "no root with $debian and Node $node could be made"
  fi
}

# As the base image has it: Node, npm and a user without rights.
fill() {
  local root="$1" debian="$2" node="$3" packages="$1/opt/node"
  debootstrap --variant=minbase --include="$DEBIAN_PACKAGES" "$debian" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
  npm install --prefix "$packages" --no-audit --no-fund --no-save "node@$node" "$NPM"
  install "$packages/node_modules/node/bin/node" "$root/usr/local/bin/node"
  mkdir -p "$root/usr/local/lib/node_modules"
  mv "$packages/node_modules/npm" "$root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
  rm -rf "$packages"
  chroot "$root" groupadd --gid 1000 node
  chroot "$root" useradd --uid 1000 --gid node --create-home --shell /bin/bash node
  chroot "$root" npm --version
  touch "$root/etc/made"
}

# The first process of the namespaces: its own mounts, then the chroot.
inside() {
  local lower="$1" run="$2" report="$3" limit="$4" root="$2/root"
  shift 4
  mkdir -p "$root"
  if ! overlay "$lower" "$run" 2>/dev/null; then
    # An overlay cannot lie on another one, as in a container.
    mount -t tmpfs tmpfs "$run" && mkdir -p "$root" && overlay "$lower" "$run"
  fi
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mkdir -p "$root/clone" "$root/root/.npm"
  mount --bind "$clone" "$root/clone"
  mount --bind "$(mkdir -p "$(npm config get cache)" && npm config get cache)" "$root/root/.npm"
  # What every container is given: names, and how this machine reaches its registry.
  cp --dereference /etc/hosts /etc/resolv.conf "$root/etc/"
  local settings=(
    HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}"
    npm_config_registry="$(npm config get registry)" npm_config_update_notifier=false
  )
  local certificates="${NODE_EXTRA_CA_CERTS:-$(npm config get cafile)}"
  if [[ -f "$certificates" ]]; then
    cp --dereference "$certificates" "$root/etc/machine-ca.crt"
    settings+=(NODE_EXTRA_CA_CERTS=/etc/machine-ca.crt)
  fi
  local name
  for name in CI DATABASE_URL REDIS_URL http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    if [[ -n "${!name:-}" ]]; then settings+=("$name=${!name}"); fi
  done
  local status=0
  timeout --foreground --kill-after=10 "$limit" \
    chroot "$root" env -i "${settings[@]}" bash /clone/scripts/production-platform.sh --chrooted "$@" || status=$?
  ((status != 124)) || printf '*** Ended after %s s. ***\n' "$limit" >&2
  if [[ -f "$root/tmp/report.json" ]]; then cat "$root/tmp/report.json" >"$report"; fi
  exit "$status"
}

overlay() { mount -t overlay overlay -o "lowerdir=$1,upperdir=$(fresh "$2/upper"),workdir=$(fresh "$2/work")" "$2/root"; }

fresh() { mkdir -p "$1" && echo "$1"; }

# In the root, on its Node.
chrooted() {
  cd /clone
  local extent="$1"
  if [[ -n "$extent" && "$extent" != --all && "$extent" != --processes ]]; then exec "$@"; fi
  local failed=0 suites=()
  if [[ "$extent" != --all ]]; then suites=("${NATIVE_SUITES[@]/#/test/}" test/platform); fi
  if [[ "$extent" == --processes ]]; then suites+=("${PROCESS_SUITES[@]/#/test/}"); fi
  timed 'the image' node scripts/build-image.ts || failed=1
  IMAGE_DIR=/app timed 'the tests' node_modules/.bin/vitest run "${suites[@]}" \
    --reporter=default --reporter=json --outputFile.json=/tmp/report.json || failed=1
  exit "$failed"
}

timed() {
  local what="$1" start="$SECONDS" status=0
  shift
  "$@" || status=$?
  printf '   %s: %d s\n' "$what" "$((SECONDS - start))"
  return "$status"
}

case "${1:-}" in
  --fill) shift && fill "$@" ;;
  --inside) shift && inside "$@" ;;
  --chrooted) shift && chrooted "$@" ;;
  *) main "$@" ;;
esac
