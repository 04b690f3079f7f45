main() {
  local wanted
  prepare
  check_certificate "$certificate" "$thumbprint"
  read_state
  require_our_federation
  # Both places: whatever stays in the second one could still sign.
  wanted=$(jq -cn --arg current "$certificate" --arg next "${next_certificate:-$certificate}" '{signingCertificate: $current, nextSigningCertificate: $next}')
  if [ "$(differing "$wanted" "$configuration")" = '{}' ]; then
    say "Nothing to do: the certificate that signs, $thumbprint, is Microsoft's first one already."
    if [ -n "$next_certificate" ]; then
      say "$next_thumbprint waits to be promoted: run countersign cert promote $app, and fetch these commands again from $source"
    fi
    return
  fi
  if [ -n "$next_certificate" ]; then
    stop "$next_thumbprint waits to be promoted here, so there is nothing yet to make Microsoft's first one. The order is: the commands of the action rotate, countersign cert promote $app, and then these commands, fetched again from $source"
  fi
  save_state
  apply "$wanted" Federated
  confirm "$wanted" Federated
  say "Done:$changes"
  say "Microsoft takes tokens of $thumbprint alone now. The former certificate can be retired: countersign cert retire $app"
  way_back
}
