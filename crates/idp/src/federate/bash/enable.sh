main() {
  local account wanted present
  prepare
  check_certificate "$certificate" "$thumbprint"
  account=$(account)
  if is_of_domain "$account"; then
    stop "The token is that of $account, whose own sign-in would be federated too: a mistake would lock you out. Get one of an administrator of the tenant's onmicrosoft domain."
  fi
  read_state
  require_suitable_domain
  if [ "$configuration" = null ] && [ "$type" = Federated ]; then
    stop "$domain is federated, but Microsoft shows no configuration for it, so there is none to save or to change. Make the domain Managed first, with the commands of the action disable, or ask Microsoft's support."
  fi
  present=$(setting "$configuration" issuerUri)
  if [ -n "$present" ] && [ "$present" != "$issuer" ] && [ "${REPLACE_FEDERATION_OF-}" != "$domain" ]; then
    # The consent names the domain, so that one left over replaces no other domain's federation.
    stop "$domain is federated already, with $(plain <<<"$present"). To replace that federation, run export REPLACE_FEDERATION_OF=$(printf '%q' "$domain") and paste this again."
  fi
  wanted=$(wanted_settings)
  if [ "$type" = Federated ] && [ "$(differing "$wanted" "$configuration")" = '{}' ]; then
    say "Nothing to do: $domain is federated with this app, and every setting is as it should be."
    return
  fi
  save_state
  apply "$wanted" Federated
  confirm "$wanted" Federated
  say "Done:$changes"
  say "$domain is federated now, and Microsoft has stored every setting as it was sent."
  say 'It can take up to two hours until every sign-in follows. Try it in a private browser window.'
  if [ "$(setting "$settings" preferredAuthenticationProtocol)" = saml ]; then
    say 'A domain that speaks SAML cannot join Windows devices, nor sign in to Windows with a password.'
  fi
  way_back
}

require_suitable_domain() {
  if fact isInitial || is_from_microsoft; then
    stop "$domain was given by Microsoft, and such a domain cannot be federated."
  fi
  fact isVerified || stop "$domain is not verified. Finish its verification in the Microsoft 365 admin center, then paste this again."
  if fact isDefault; then
    stop "$domain is the tenant's default domain, and that cannot be federated. Make another domain the default, then paste this again."
  fi
  fact isRoot ||
    stop "$domain is a subdomain that takes its federation from the domain above it. Federate that one, or promote $domain to a root domain first."
}
