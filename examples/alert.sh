#!/bin/sh
# Opens a ticket when an alert fires, and resolves it when the alert ends, by HTTP alone: alert.sh fires|ends NAME [WORDS]
# It needs curl, COUNTERFOIL_URL, COUNTERFOIL_WORKSPACE, and as COUNTERFOIL_TOKEN an API token of the role admin that may read and
# write tickets.
set -eu
W="$COUNTERFOIL_URL/api/v1/workspaces/$COUNTERFOIL_WORKSPACE"
desk() { curl -fsS --retry 5 --retry-connrefused -H "Authorization: Bearer $COUNTERFOIL_TOKEN" -H 'Content-Type: application/json' "$@"; }
tag="alert-$2"

case $1 in
fires)
  # The same key is the same ticket, however often this is sent within 48 hours.
  desk "$W/tickets" -H "Idempotency-Key: $tag" -d "{\"subject\": \"${3:-$2}\", \"priority\": \"critical\", \"tags\": [\"$tag\"]}" ;;
ends)
  number=$(desk "$W/tickets?tag=$tag&limit=1" | sed -n 's/.*"number":\([0-9]*\).*/\1/p')
  desk -X PATCH "$W/tickets/$number" -d '{"status": "resolved"}' ;;
esac
