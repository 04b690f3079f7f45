troubles=0

main() {
  prepare
  check_certificate "$certificate" "$thumbprint"
  say "This only looks, and changes nothing."
  read_state
  check_domain
  check_configuration
  check_administrators
  check_users
  say ''
  if [ "$troubles" = 0 ]; then
    say "Nothing stands in the way."
  else
    say "What is marked TROUBLE above stands in the way: $troubles in all. Mend it, and paste this again."
    stopped=yes
    exit 1
  fi
}

good() { say "ok       $*"; }
note() { say "note     $*"; }
trouble() {
  say "TROUBLE  $*"
  troubles=$((troubles + 1))
}

check_domain() {
  if fact isInitial || is_from_microsoft; then
    trouble "$domain was given by Microsoft, and such a domain cannot be federated."
  fi
  if fact isVerified; then good "$domain is verified."; else trouble "$domain is not verified. Finish its verification in the Microsoft 365 admin center."; fi
  if fact isDefault; then
    trouble "$domain is the tenant's default domain, and that cannot be federated. Make another domain the default."
  else
    good "$domain is not the default domain."
  fi
  if fact isRoot; then
    good "$domain is a root domain, or was promoted to one."
  else
    trouble "$domain is a subdomain that takes its federation from the domain above it. Federate that one, or promote $domain to a root domain."
  fi
  good "$domain is $type."
}

check_configuration() {
  local present wanted
  if [ "$configuration" = null ]; then
    if [ "$type" = Federated ]; then
      trouble "$domain is federated, but Microsoft shows no configuration for it. Make it Managed, or ask Microsoft's support."
    else
      good 'It has no federation configuration yet.'
    fi
    return 0
  fi
  present=$(setting "$configuration" issuerUri)
  if [ "$present" != "$issuer" ]; then
    note "It is configured for another issuer: $(plain <<<"$present"). The commands of the action enable replace that only with your consent."
    case $present in
      (*godaddy* | *secureserver*) note 'That is GoDaddy, which keeps such tenants for itself: they have to be released there first.' ;;
    esac
  fi
  wanted=$(wanted_settings)
  wanted=$(differing "$wanted" "$configuration")
  if [ "$wanted" = '{}' ]; then
    good 'Every setting of its configuration is as this app wants it.'
  else
    note 'These settings differ from what this app wants; the commands of the action enable set them:'
    show_differences "$wanted" "$configuration"
  fi
}

# An administrator who signs in at Microsoft itself can turn everything back.
check_administrators() {
  local role='62e90394-69f5-4237-9190-012177145e10' account outside # Global Administrator, everywhere
  account=$(account)
  if [ "$(claim "(.wids // []) | index(\"$role\") != null")" = true ] && [ -n "$account" ] && ! is_of_domain "$account"; then
    good "You are $account, a Global Administrator outside $domain, who can turn a mistake back."
    return 0
  fi
  request GET "/directoryRoles(roleTemplateId='$role')/members?\$select=id,userPrincipalName,accountEnabled" || stop "$reason"
  case $status in
    (2??) ;;
    (*)
      note "Who the Global Administrators are cannot be seen with this token ($status). See to it yourself that one of them is outside $domain, and that you can sign in as that one."
      return 0
      ;;
  esac
  outside=$(jq -r --arg domain "$domain" '[.value[] | select(.accountEnabled != false) | .userPrincipalName // empty
    | select((ascii_downcase | split("@") | last) as $at | ($at == $domain or ($at | endswith("." + $domain))) | not)]
    | .[0:3] | join(", ")' <<<"$answer" | plain)
  if [ -n "$outside" ]; then
    good "There are Global Administrators outside $domain: $outside."
  else
    trouble "No enabled Global Administrator is outside $domain. Make one in the onmicrosoft domain first: nobody else could turn a mistake back."
  fi
}

check_users() {
  read_users
  plan_users
  look absent 'have no ImmutableID at Microsoft; the commands of the action users set it' '"\(.upn): \(.anchor)"'
  look other 'have another ImmutableID at Microsoft than here, and could not sign in' '"\(.upn): \(.found) there, \(.anchor) here"'
  look taken 'cannot have theirs, because somebody else has it at Microsoft' '"\(.upn): \(.anchor) is of \(.holder)"'
  look synced 'are synced from a directory with another ImmutableID than here; take it over from there' '"\(.upn): \(.found) there, \(.anchor) here"'
  if [ "$(how_many missing)" != 0 ]; then
    note "$(how_many missing) users of this server are not at Microsoft, and could not sign in there:"
    show_users missing '"\(.upn)"'
  fi
  if [ "$(how_many unknown)" != 0 ]; then
    note "$(how_many unknown) users of $domain at Microsoft are not known to this server, and could not sign in any more:"
    show_users unknown '"\(.upn)"'
  fi
  good "$(how_many same) users have the same ImmutableID here and there."
}

look() { # KIND WHAT TEXT
  if [ "$(how_many "$1")" != 0 ]; then
    trouble "$(how_many "$1") users $2:"
    show_users "$1" "$3"
  fi
}
