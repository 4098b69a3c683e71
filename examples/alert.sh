#!/bin/sh
# Opens a ticket when an alert fires, and resolves it when the alert ends, by HTTP alone: alert.sh fires|ends NAME [WORDS]
# It needs curl, COUNTERFOIL_URL, COUNTERFOIL_WORKSPACE, and as COUNTERFOIL_TOKEN an API token of the role admin that may read and
# write tickets.
set -eu
case "${1-} ${2-}" in
"fires "?* | "ends "?*) ;;
*) echo "usage: alert.sh fires|ends NAME [WORDS]" >&2; exit 2 ;;
esac
[ "$(printf '%s' "$2" | LC_ALL=C.UTF-8 wc -m)" -le 44 ] || {
  echo "alert.sh: NAME has more than 44 characters: with alert- before it, it is a tag of the ticket, which has 50 at most." >&2
  exit 2
}
W="$COUNTERFOIL_URL/api/v1/workspaces/$COUNTERFOIL_WORKSPACE"
desk() { curl -fsS --retry 5 --retry-connrefused -H "Authorization: Bearer $COUNTERFOIL_TOKEN" -H 'Content-Type: application/json' "$@"; }
text() { printf '%s' "$1" | tr '[:cntrl:]' ' ' | sed 's/[\\"]/\\&/g; s/.*/"&"/'; }
first() { printf '%s' "$newest" | grep -o "\"$1\":\"*[a-z0-9_]*" | head -n 1 | sed 's/.*[:"]//'; }
tag="alert-$2"

newest=$(desk -G "$W/tickets" --data-urlencode "tag=$tag" -d 'status=all&sort=-created&limit=1')
number=$(first number)
case $(first status) in
resolved | closed | spam | "") firing=no ;;
*) firing=yes ;;
esac
case $1-$firing in
fires-no)
  # The same key is the same ticket, however often this is sent within 48 hours; once there is one, the next key is another.
  desk "$W/tickets" -H "Idempotency-Key: $(printf '%s' "$tag" | cksum | tr -d ' ')-${number:-0}" \
    -d "{\"subject\": $(text "${3:-$2}"), \"priority\": \"critical\", \"tags\": [$(text "$tag")]}" ;;
fires-yes) echo "#$number is open for it." ;;
ends-yes) desk -X PATCH "$W/tickets/$number" -d '{"status": "resolved"}' ;;
ends-no)
  echo "$2 does not fire." >&2
  exit 1
  ;;
esac
