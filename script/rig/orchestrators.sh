# What the exported files are tried with: Docker Compose, and the schemas of the Kubernetes API. Swarm is in the
# engine already.
# shellcheck shell=bash

COMPOSE=$CACHE/tools/compose-$(key_of "$rig/compose" "$rig/go.sh" "$rig/orchestrators.sh" "$(uname -sm)")
KUBECTL_VALIDATE=$CACHE/tools/kubectl-validate-$(key_of "$rig/kubectl-validate" "$rig/go.sh" "$(uname -sm)")

orchestrators_title() { echo "Docker Compose and kubectl-validate from source"; }
orchestrators_duration() { echo "about 6 minutes beside a Ruby"; }
orchestrators_current() { compose_current && kubectl_validate_current; }

orchestrators_make() {
  compose_current || make_compose
  kubectl_validate_current || make_kubectl_validate
}

orchestrators_help() { tools_help; }

compose_current() { "$COMPOSE/bin/docker-compose" version >/dev/null 2>&1; }
kubectl_validate_current() { [[ -x $KUBECTL_VALIDATE/bin/kubectl-validate ]]; }

# The machine's own goes by the name that a built one has. Before 2.24.4 there is no `!override`.
make_compose() {
  local version
  mkdir -p "$COMPOSE/bin"
  if version=$(docker compose version --short 2>/dev/null) &&
    [[ $(printf '%s\n' 2.24.4 "${version#v}" | sort -V | head -n 1) == 2.24.4 ]]; then
    printf '#!/bin/sh\nexec docker compose "$@"\n' >"$COMPOSE/bin/docker-compose"
    chmod +x "$COMPOSE/bin/docker-compose"
  else
    go_build compose github.com/docker/compose/v2 cmd "$COMPOSE/bin/docker-compose" internal.Version
  fi
}

make_kubectl_validate() {
  mkdir -p "$KUBECTL_VALIDATE/bin"
  go_build kubectl-validate sigs.k8s.io/kubectl-validate "" "$KUBECTL_VALIDATE/bin/kubectl-validate"
}
