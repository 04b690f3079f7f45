main() {
  local wanted
  prepare
  [ -n "$next_certificate" ] ||
    stop "There is no next certificate to give to Microsoft. Make one with countersign cert next $app, and fetch these commands again from $source"
  check_certificate "$certificate" "$thumbprint"
  check_certificate "$next_certificate" "$next_thumbprint"
  read_state
  require_our_federation
  # The one that signs goes into the first place, where the next one cannot take its place.
  wanted=$(jq -cn --arg current "$certificate" --arg next "$next_certificate" '{signingCertificate: $current, nextSigningCertificate: $next}')
  if [ -n "$(setting "$(differing "$wanted" "$configuration")" signingCertificate)" ] && ! is_certificate nextSigningCertificate "$certificate"; then
    stop "Microsoft does not know the certificate that signs today, $thumbprint, so sign-in fails already. The commands of the action enable mend that."
  fi
  if [ "$(differing "$wanted" "$configuration")" = '{}' ]; then
    say "Nothing to do: Microsoft has the next certificate, $next_thumbprint, already."
    return
  fi
  save_state
  apply "$wanted" Federated
  confirm "$wanted" Federated
  say "Done:$changes"
  say "Microsoft takes tokens of both certificates now: $thumbprint, which signs, and $next_thumbprint, which will."
  say "Wait until every part of Microsoft has followed, two hours at least. Then run countersign cert promote $app, and after it the commands of the action promote."
  way_back
}

is_certificate() { # NAME CERTIFICATE
  [ "$(differing "$(jq -cn --arg name "$1" --arg value "$2" '{($name): $value}')" "$configuration")" = '{}' ]
}
