main() {
  local id name body todo done_so_far=0
  prepare
  read_users
  plan_users
  todo=$(how_many absent)
  report other 'have another ImmutableID at Microsoft, which stays as it is' '"\(.upn): \(.found) there, \(.anchor) here"'
  report taken 'cannot have theirs, because somebody else has it at Microsoft' '"\(.upn): \(.anchor) is of \(.holder)"'
  report synced 'are synced from a directory, so their ImmutableID belongs to Entra Connect; take it over from there' '"\(.upn)"'
  report missing 'are not at Microsoft, so there is nobody to give it to' '"\(.upn)"'
  say "$(how_many same) have it already."
  if [ "$todo" = 0 ]; then
    say 'Nothing to do: nobody is without one who could get it.'
    return
  fi
  save_users
  jq -r '.absent[] | (.id | @uri), (.upn | gsub("[[:cntrl:]]"; " ")), ({onPremisesImmutableId: .anchor} | tojson)' "$work/plan" >"$work/todo"
  while IFS= read -r id && IFS= read -r name && IFS= read -r body; do
    step="give $name an ImmutableID"
    call PATCH "/users/$id" "$body"
    done_so_far=$((done_so_far + 1))
    changes=" $done_so_far of $todo users have got theirs. Pasting this again goes on with the rest."
  done <"$work/todo"
  step=''
  confirm_users
  say "Done: $todo users have got their ImmutableID, and Microsoft has stored it."
  say "Who they are stands in $saved. An ImmutableID does no harm to a user who signs in at Microsoft, and is never to be changed afterwards."
}

report() { # KIND WHAT TEXT
  local number
  number=$(how_many "$1")
  [ "$number" != 0 ] || return 0
  say "$number $2:"
  show_users "$1" "$3"
}

save_users() {
  saved=${HOME:-.}/users-$(printf '%s' "$domain" | tr -c 'A-Za-z0-9.-' '_')-$(date -u +%Y%m%d-%H%M%S)-$$.json
  (set -o noclobber && jq '[.absent[] | {id, userPrincipalName: .upn, onPremisesImmutableId: null, becomes: .anchor}]' "$work/plan" >"$saved") 2>/dev/null ||
    stop "$saved could not be written, and without it nobody knows afterwards who was changed."
  say "Saved who is about to get one to $saved"
}

confirm_users() {
  local waited=0 pause=1 left
  cp "$work/plan" "$work/sent"
  while :; do
    read_users
    left=$(jq -n --slurpfile sent "$work/sent" --slurpfile now "$work/users" '
      ($now | map({key: .id, value: .anchor}) | from_entries) as $stored
      | [$sent[0].absent[] | select($stored[.id] != .anchor)] | length')
    if [ "$left" = 0 ]; then return 0; fi
    if [ "$waited" -ge "$patience" ]; then break; fi
    sleep "$pause"
    waited=$((waited + pause))
    pause=$((pause * 2 > 15 ? 15 : pause * 2))
  done
  stop "Microsoft took the ImmutableIDs, and does not show $left of them yet. Paste this again in a while: it compares once more."
}
