main() {
  prepare
  read_state
  complain "$domain is ${type:-of no known type} at Microsoft."
  if [ "$configuration" = null ]; then
    stop "$domain has no federation configuration."
  fi
  complain 'What follows is its configuration. Save it as a file, and countersign app compare says what differs from here.'
  jq . <<<"$configuration"
}
