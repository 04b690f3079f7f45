main() {
  local file=${RESTORE_FROM-} target other
  prepare
  [ -n "$file" ] ||
    stop "Say what to put back: export RESTORE_FROM=FILE, and paste this again. The other commands save such files as ${HOME:-.}/federation-*.json$(saved_files)"
  if [ ! -f "$file" ] || [ ! -r "$file" ]; then stop "$file is no file that can be read."; fi
  [ "$(wc -c <"$file")" -lt 1000000 ] || stop "$file is too large to be a saved configuration."
  target=$(saved_state "$file") || stop "$file holds no saved state of a domain. The other commands write such files; it must be whole."
  other=$(jq -r .domain <<<"$target" | plain)
  [ "$other" = "$domain" ] || stop "$file is of $other, and these commands are for $domain."
  if [ "$(jq -c '[.authenticationType, (.federationConfiguration | length)]' <<<"$target")" = '["Federated",0]' ]; then
    stop "$domain was Federated without a configuration when $file was written, so there is none to put back. The commands of the action enable make a new one."
  fi
  read_state
  if is_restored "$target"; then
    say "Nothing to do: $domain is as it was when $file was written."
    return
  fi
  save_state
  restore_state "$target"
  say "Done:${changes:- nothing had to be changed}"
  say "$domain is as it was when $file was written: $type. It can take up to two hours until every sign-in follows."
  if [ "$type" = Managed ]; then
    say 'People who have no password at Microsoft need a new one.'
  fi
}

# A saved file as a state. PowerShell begins the names with capitals.
saved_state() { # FILE
  jq -ces 'if length != 1 then error("not one") else .[0] end
    | with_entries(.key |= (.[0:1] | ascii_downcase) + .[1:])
    | if (.domainId | type) != "string" or (.authenticationType != "Federated" and .authenticationType != "Managed") then error("not ours")
      elif (.issuerUri // "") == "" then {domain: .domainId, authenticationType, federationConfiguration: []}
      elif (.signingCertificate | type) != "string" then error("not whole")
      else {domain: .domainId, authenticationType, federationConfiguration: [del(.domainId, .authenticationType)]} end' "$1" 2>/dev/null
}

saved_files() {
  local one
  for one in "${HOME:-.}/federation-$domain-"*.json; do
    [ ! -f "$one" ] || printf '\n    %s' "$one"
  done
}

is_restored() { # STATE
  [ "$type" = "$(jq -r .authenticationType <<<"$1")" ] && [ "$count" = "$(jq '.federationConfiguration | length' <<<"$1")" ] &&
    [ "$(differing "$(restored_settings "$1")" "$configuration")" = '{}' ]
}
