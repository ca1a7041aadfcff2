#!/bin/sh
# Builds the image, installs the chart into the cluster and namespace of the current kubectl context, and ends with the
# counter on http://localhost:8083:
#
#   helm/requestcounter/install.sh [ARGUMENT of helm upgrade]…
#
# Without docker the cluster must have the image already.
set -eu

cd "$(dirname "$0")/../.."
image=localhost/server:0.1.0

context=$(kubectl config current-context) || {
  echo "install.sh: kubectl has no current context: start a cluster first, such as kind's" >&2
  exit 1
}
if command -v docker >/dev/null; then
  docker build --target server --tag "$image" .
  case $context in
    kind-*) kind load docker-image --name "${context#kind-}" "$image" ;;
    minikube) minikube image load "$image" ;;
  esac
fi
helm upgrade --install requestcounter helm/requestcounter "$@"
# Not helm's --wait: Helm 3 also waits for the load balancer's address, in vain where the cluster has none.
for deployment in redis request-counter; do
  kubectl rollout status "deployment/$deployment" --timeout=3m
done
kubectl get deployments,services --selector app.kubernetes.io/part-of=requestcounter

port=$(kubectl get service request-counter --output jsonpath='{.spec.ports[0].port}')
# A load balancer's address, where the cluster has one (Docker Desktop: localhost). Nobody is asked over
# HTTP: that would count.
address=$(kubectl get service request-counter --output \
  jsonpath='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}')
if [ -n "$address" ]; then
  echo "curl http://$address:$port"
elif [ -t 1 ]; then
  # To one pod only: a port-forward does not balance.
  echo "no load balancer in this cluster; until Ctrl-C: curl http://localhost:$port"
  exec kubectl port-forward service/request-counter "$port:$port"
else
  echo "no load balancer in this cluster: kubectl port-forward service/request-counter $port:$port"
fi
