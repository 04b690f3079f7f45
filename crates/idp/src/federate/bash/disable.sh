main() {
  prepare
  read_state
  if [ "$type" = Managed ]; then
    say "Nothing to do: $domain is Managed."
    return
  fi
  if [ "${MAKE_MANAGED-}" != "$domain" ]; then
    complain "Managed means that everybody of $domain signs in at Microsoft, with a password that Microsoft knows."
    complain 'Whoever has none there needs a new one from an administrator, the same hour. Passwords of this server do not count there.'
    complain 'It takes up to two hours until it holds everywhere, a day in the worst case. ImmutableIDs stay, so the way back is open.'
    stop "To make it Managed, run export MAKE_MANAGED=$(printf '%q' "$domain") and paste this again."
  fi
  save_state
  apply_type Managed
  confirm '' Managed
  say "Done:$changes"
  say "$domain is Managed now. It can take up to two hours, a day in the worst case, until every sign-in follows."
  say 'Give new passwords to those who have none at Microsoft.'
  way_back
}
