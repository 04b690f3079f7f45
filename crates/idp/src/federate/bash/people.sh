# Every user of the tenant as Microsoft knows them, one on each line. Synced users belong to Entra Connect.
read_users() {
  list '/users?$select=id,userPrincipalName,onPremisesImmutableId,onPremisesSyncEnabled&$top=999' \
    '{id, upn: (.userPrincipalName // ""), anchor: (.onPremisesImmutableId // ""), synced: (.onPremisesSyncEnabled == true)}'
  mv "$work/list" "$work/users"
}

# Sorts our users by what has to be done: one list of each kind.
plan_users() {
  anchors >"$work/anchors"
  jq -n --arg domain "$domain" --slurpfile ours "$work/anchors" --slurpfile theirs "$work/users" '
    def name: ascii_downcase;
    (reduce $theirs[] as $user ({}; .[$user.upn | name] = $user)) as $by_name
    | (reduce $theirs[] as $user ({}; .[$user.anchor] = $user)) as $by_anchor
    | (reduce $ours[] as $one ({}; .[$one[0] | name] = true)) as $known
    | [$ours[] | .[0] as $upn | .[1] as $anchor | $by_name[$upn | name] as $user | $by_anchor[$anchor] as $holder
        | {upn: $upn, anchor: $anchor, id: $user.id, found: $user.anchor, holder: $holder.upn,
           kind: (if $user == null then "missing"
             elif $user.anchor == $anchor then "same"
             elif $user.synced then "synced"
             elif $user.anchor != "" then "other"
             elif $holder != null then "taken"
             else "absent" end)}]
    | . as $all | reduce ("absent", "same", "other", "taken", "synced", "missing") as $kind ({}; .[$kind] = [$all[] | select(.kind == $kind)])
      | .unknown = [$theirs[] | select(.upn | name | (split("@") | last) as $at | $at == $domain or ($at | endswith("." + $domain)))
          | select($known[.upn | name] | not)]' >"$work/plan" || stop 'The list of users cannot be read.'
}

how_many() { jq --arg kind "$1" '.[$kind] // [] | length' "$work/plan"; } # KIND

# The first of them by name, for people to read.
show_users() { # KIND TEXT, in the language of jq
  jq -r --arg kind "$1" ".[\$kind] // [] | (.[0:20][] | \"    \" + ($2)), if length > 20 then \"    and \\(length - 20) more\" else empty end" "$work/plan" |
    tr -d '\000-\011\013-\037\177'
}
