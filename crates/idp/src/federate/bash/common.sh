graph=${GRAPH_URL:-$graph_of_cloud}
token=${GRAPH_TOKEN-}
unset GRAPH_TOKEN # only curl is to have it
patience=${GRAPH_PATIENCE:-60}
work='' before='' type_before='' created='' saved='' changes='' step='' touched='' undoing='' stopped=''
writable='["displayName", "issuerUri", "metadataExchangeUri", "passiveSignInUri", "preferredAuthenticationProtocol",
  "signingCertificate", "activeSignInUri", "federatedIdpMfaBehavior", "isSignedAuthenticationRequestRequired",
  "nextSigningCertificate", "passwordResetUri", "promptLoginBehavior", "signOutUri"]'
how_to_get_a_token="
Sign in with az login, or take a token from Graph Explorer (https://aka.ms/ge, Access token) after consenting to
$permissions. Then, so that it is kept nowhere:
    read -rs GRAPH_TOKEN; export GRAPH_TOKEN     (on Linux; then paste it)
    export GRAPH_TOKEN=\"\$(pbpaste)\"              (on macOS)"

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }

# Ends the script with a reason; what this run has changed is put back first.
stop() {
  trap '' INT TERM
  stopped=yes
  complain "Stopped: $*"
  if [ -n "$step" ]; then complain "This failed, and may or may not have taken effect: $step."; fi
  if [ -n "$undoing" ]; then
    complain 'What was there could not be put back. Paste this again: it finds out how things stand, and goes on from there.'
    way_back >&2
  elif [ -n "$touched" ]; then
    undo
  elif [ -n "$changes" ]; then
    complain "Done before that:$changes"
  elif [ -z "$step" ]; then
    complain 'Nothing was changed.'
  fi
  rm -rf "$work"
  exit 1
}

# However it ends, nothing of the tenant is left lying about, and nothing is left half done without a word.
leave() {
  if [ "$1" != 0 ] && [ -z "$stopped" ]; then stop 'A command of this script failed, as said above.'; fi
  rm -rf "$work"
}

undo() {
  undoing=yes
  step=''
  complain 'Putting back what was there before ...'
  restore_state "$before"
  complain "$domain is as it was before."
}

# What this machine must have, the token, and where to send it.
prepare() {
  local tool
  trap 'leave $?' EXIT
  trap 'stop "You interrupted it."' INT TERM
  for tool in curl jq; do
    command -v "$tool" >/dev/null || stop "$tool is missing. Install it with your system's package manager and paste this again."
  done
  domain_path=$(jq -rn --arg domain "$domain" '"/domains/" + ($domain | @uri), ("e30=" | @base64d | fromjson | empty)' 2>/dev/null) ||
    stop 'This needs jq 1.6 or newer.'
  federation_path=$domain_path/federationConfiguration
  work=$(mktemp -d "${TMPDIR:-/tmp}/countersign.XXXXXX") || stop 'No directory for temporary files could be made.'
  settings=$(the_settings) || stop "The values cannot be read, so these commands were damaged on their way. Fetch them again from $source"
  case $patience in
    ('' | *[^0-9]*) stop 'GRAPH_PATIENCE is a number of seconds.' ;;
  esac
  graph=${graph%/}
  case $graph in
    (https://* | http://127.0.0.1:* | http://localhost:*) ;;
    (*) stop "$graph is no https address, and the token must not travel in the clear." ;;
  esac
  if [ -z "$token" ] && [ -z "${GRAPH_URL-}" ] && command -v az >/dev/null; then
    token=$(az account get-access-token --resource "$graph" --query accessToken --output tsv 2>"$work/error") ||
      stop "There is no GRAPH_TOKEN, and az gives none: $(plain <"$work/error") Run az login, or see below.$how_to_get_a_token"
  fi
  token=${token%$'\r'}
  [ -n "$token" ] || stop "There is no token for Microsoft Graph.$how_to_get_a_token"
  case $token in
    (*[^A-Za-z0-9._~+/=-]*) stop 'GRAPH_TOKEN holds characters that no token has. Copy it again, whole and alone.' ;;
  esac
}

# A certificate that was cut or changed on its way would keep everybody out.
check_certificate() { # CERTIFICATE THUMBPRINT
  local found
  found=$(printf '%s' "$1" | from_base64 | sha1) || found=''
  [ "$found" = "$2" ] ||
    stop "The signing certificate is not the one with thumbprint $2, so these commands were damaged on their way. Fetch them again from $source"
}

from_base64() {
  if printf '' | base64 -d >/dev/null 2>&1; then
    base64 -d 2>/dev/null
  elif printf '' | base64 -D >/dev/null 2>&1; then
    base64 -D 2>/dev/null
  else
    openssl base64 -d -A
  fi
}

sha1() {
  if command -v sha1sum >/dev/null; then
    sha1sum
  elif command -v shasum >/dev/null; then
    shasum
  else
    openssl dgst -sha1 -r
  fi | cut -c 1-40 | tr 'a-f' 'A-F'
}

# What others wrote, safe to show: one line, no control characters, not too long.
plain() { tr -s '[:cntrl:]' ' ' | sed 's/ *$//' | cut -c 1-500; }

# One request. Fails if there was no answer; otherwise there are a status and an answer.
request() { # METHOD PATH-OR-ADDRESS [BODY]
  local method=$1 url=$2 tries=0 pause options
  case $url in
    (/*) url=$graph/v1.0$url ;;
  esac
  options=(--request "$method" --url "$url")
  if [ $# -gt 2 ]; then
    options=("${options[@]}" --header 'Content-Type: application/json' --data-binary "$3")
  fi
  while :; do
    : >"$work/answer"
    : >"$work/headers"
    # The token goes to curl by a pipe: arguments are for every user of this machine to see.
    if ! status=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
      curl -q --config - --silent --show-error --globoff --connect-timeout 20 --max-time 100 --output "$work/answer" \
        --dump-header "$work/headers" --write-out '%{http_code}' "${options[@]}" 2>"$work/error"); then
      reason="Microsoft Graph could not be reached: $(plain <"$work/error")"
      return 1
    fi
    # A busy service says when to come back, and has done nothing.
    if [ "$status" != 429 ] && [ "$status" != 503 ]; then break; fi
    pause=$(awk 'tolower($1) == "retry-after:" && $2 ~ /^[0-9]+/ { seconds = $2 + 0 } END { print seconds }' "$work/headers")
    if [ "$status" = 503 ] && [ -z "$pause" ]; then break; fi
    tries=$((tries + 1))
    if [ "$tries" -gt 20 ] || [ "${pause:=10}" -gt 600 ]; then break; fi
    sleep "$pause"
  done
  answer=$(<"$work/answer")
}

# A request that must succeed.
call() { # METHOD PATH-OR-ADDRESS [BODY]
  request "$@" || stop "$reason"
  case $status in
    (2??) ;;
    (*) stop "$(explain "$1" "$2")" ;;
  esac
}

no_json() { stop 'Microsoft Graph answered with something that is no JSON. Is a proxy in between, that wants to be signed in to?'; }

# Why a request was refused, from its status and Graph's words.
explain() { # METHOD PATH
  local words
  words=$(jq -r '.error | "\(.code // ""): \(.message // "")"' <<<"$answer" 2>/dev/null | plain) || words=''
  words="$1 ${2%%\?*} was answered with $status${words:+ ($words)}."
  case $status in
    (401) say "$words The token is not for Graph in this cloud, or has expired: they live for about an hour.$how_to_get_a_token" ;;
    (403) say "$words The token lacks a permission or your account a role. Wanted are the permissions $permissions, and the role Domain Name Administrator, Hybrid Identity Administrator, External Identity Provider Administrator or Security Administrator. Some tenants also want the delegated permission Directory.AccessAsUser.All." ;;
    (404) say "$words Is the token one of the tenant that has $domain?" ;;
    (409) say "$words Another domain, perhaps of another tenant, has the issuer $issuer already. Each domain needs its own: give the app another issuer, and fetch the commands again from $source" ;;
    (429) say "$words Microsoft asks to slow down, and did so again and again. Paste this again later." ;;
    (5??) say "$words That is a failure at Microsoft. Paste this again later." ;;
    (*)
      case $words in
        (*'already has Federation Configuration'*)
          say "$words Somebody else has just configured it. Paste this again: it will update what is there." ;;
        (*' /users/'*)
          say "$words If $domain is Federated already: Microsoft takes an ImmutableID only while the user's name is in another domain. Give the user a name in the onmicrosoft domain, then the old name and the ImmutableID together."
          ;;
        (*) say "$words" ;;
      esac
      ;;
  esac
}

# A call that changes something.
change() { # WHAT METHOD PATH [BODY]
  step=$1
  shift
  request "$@" || {
    touched=yes
    stop "$reason"
  }
  case $1-$status in
    (*-2?? | DELETE-404) ;; # what is gone need not be removed
    (*-4??)
      step=''
      stop "$(explain "$1" "$2")"
      ;;
    (*)
      touched=yes
      stop "$(explain "$1" "$2")"
      ;;
  esac
  touched=yes
  changes="$changes
    $step"
  step=''
}

# All pages of a list, as one JSON object on each line.
list() { # PATH FILTER
  local next=$1
  : >"$work/list"
  while [ -n "$next" ]; do
    call GET "$next"
    jq -c ".value[] | $2" <<<"$answer" >>"$work/list" 2>/dev/null || no_json
    next=$(jq -r '."@odata.nextLink" // ""' <<<"$answer")
    case $next in
      ('' | "$graph"/*) ;;
      (*) stop 'Microsoft Graph names a next page at another address, and the token must not go there.' ;;
    esac
  done
}

# How things stand: the domain's facts, its type and its configuration (null without one).
read_state() {
  local domain_found lines
  call GET "$domain_path"
  domain_found=$answer
  request GET "$federation_path" || stop "$reason"
  case $status in
    (404) answer='{"value":[]}' ;; # the domain is there, so this says that it has no configuration
    (2??) ;;
    (*) stop "$(explain GET "$federation_path")" ;;
  esac
  lines=$(jq -cn --arg domain "$domain" --argjson facts "$domain_found" --argjson found "$answer" '
    if ($facts | type) == "object" and ($found.value | type) == "array" then . else error("no state") end
    | ($facts.authenticationType // "" | tostring) as $type
    | [$facts | to_entries[] | select(.value == true) | .key], $type, ($found.value | length), $found.value[0],
      {domain: $domain, authenticationType: $type, federationConfiguration: $found.value}' 2>/dev/null) || no_json
  {
    IFS= read -r facts
    IFS= read -r type
    IFS= read -r count
    IFS= read -r configuration
    IFS= read -r state
  } <<<"$lines"
  type=${type#\"} type=${type%\"}
  [ "$count" -le 1 ] ||
    stop "$domain has $count federation configurations where Microsoft allows one. Remove what is not wanted, then paste this again."
}

fact() {
  case $facts in
    (*"\"$1\""*) return 0 ;;
    (*) return 1 ;;
  esac
}

setting() { jq -r --arg name "$2" '.[$name] // ""' <<<"$1"; } # CONFIGURATION NAME

# What of the wanted settings is not so in the one found: {name: wanted}.
differing() { # WANTED FOUND
  jq -cn --argjson wanted "$1" --argjson found "$2" '
    def bare($name): if . == null or . == "" or . == false then null
      elif type == "string" and ($name | test("Certificate$")) then gsub("-----[^-]*-----|[[:space:]]"; "")
      elif ["preferredAuthenticationProtocol", "promptLoginBehavior", "federatedIdpMfaBehavior"] | index($name) then tostring | ascii_downcase
      else . end;
    $wanted | with_entries(.key as $name | select((.value | bare($name)) != ($found[$name] | bare($name))))'
}

show_differences() { # DIFFERING FOUND
  jq -rn --argjson differing "$1" --argjson found "$2" '
    def short: tojson | if length > 200 then .[0:40] + " ... " + .[-24:] else . end;
    $differing | to_entries[] | "    \(.key): \($found[.key] | short) instead of \(.value | short)"'
}

# What the configuration should say, given the one that is there.
wanted_settings() {
  # Whoever holds the key of the next certificate can sign in as anybody: none, or one of ours.
  jq -cn --argjson settings "$settings" --argjson found "$configuration" --arg current "$certificate" --arg next "$next_certificate" '
    ($found.nextSigningCertificate // "" | gsub("-----[^-]*-----|[[:space:]]"; "")) as $there
    | $settings + if ["", $current, $next] | index($there) then {} else {nextSigningCertificate: $current} end'
}

is_from_microsoft() {
  case $domain in
    (*.onmicrosoft.com | *.onmicrosoft.us | *.onmschina.cn) return 0 ;;
    (*) return 1 ;;
  esac
}

# Keeps what is about to change, in the form that the commands for PowerShell read and write as well.
save_state() {
  local content
  before=$state type_before=$type
  saved=${HOME:-.}/federation-$(printf '%s' "$domain" | tr -c 'A-Za-z0-9.-' '_')-$(date -u +%Y%m%d-%H%M%S)-$$.json
  content=$(jq '{domainId: .domain, authenticationType} + (.federationConfiguration[0] // {})' <<<"$before")
  (set -o noclobber && printf '%s\n' "$content" >"$saved") 2>/dev/null || stop "$saved could not be written, and without it there is no way back."
  [ "$(<"$saved")" = "$content" ] || stop "$saved could not be written whole. Is the disk full?"
  say "Saved what is there now to $saved"
}

# Brings the configuration to what is wanted (null: to none) and the domain to its type.
apply() { # WANTED TYPE
  local patch
  if [ "$1" = null ]; then
    # Managed first, so that nobody is sent to what is going away.
    apply_type "$2"
    read_state
    if [ "$configuration" != null ] || [ -n "$created" ]; then
      change 'remove the federation configuration' DELETE "$(configuration_path)"
    fi
  elif [ "$configuration" = null ]; then
    change 'create the federation configuration' POST "$federation_path" "$(jq -c 'with_entries(select(.value != null))' <<<"$1")"
    created=$(jq -r '.id // ""' <<<"$answer")
  else
    patch=$(differing "$1" "$configuration")
    # What is read may be older than what was written, so whatever is put back is written whole.
    if [ -n "$undoing" ]; then patch=$1; fi
    if [ "$patch" != '{}' ]; then
      change 'update the federation configuration' PATCH "$(configuration_path)" "$patch"
    fi
  fi
  # Asked afresh: whether creating a configuration makes the domain Federated is not documented.
  apply_type "$2"
}

configuration_path() {
  jq -r --arg path "$federation_path" --arg created "$created" '$path + "/" + (.id // $created | @uri)' <<<"$configuration"
}

apply_type() { # TYPE
  local found
  call GET "$domain_path"
  found=$(jq -r .authenticationType <<<"$answer" 2>/dev/null) || no_json
  if [ -n "$undoing" ] || [ "$found" != "$1" ]; then
    change "make the domain $1" PATCH "$domain_path" "{\"authenticationType\":\"$1\"}"
  fi
}

# Compares what Microsoft stored with what was sent; a change can take a while until it can be read.
confirm() { # WANTED-OR-NOTHING TYPE
  local waited=0 pause=1 sent='{}' wrong late
  case $1 in
    ('' | null) ;;
    (*) sent=$1 ;;
  esac
  while :; do
    read_state
    wrong=$(differing "$sent" "$configuration")
    if [ "$wrong" = '{}' ] && [ "$type" = "$2" ] && { [ "$1" != null ] || [ "$configuration" = null ]; }; then
      return 0
    fi
    if [ "$waited" -ge "$patience" ]; then break; fi
    sleep "$pause"
    waited=$((waited + pause))
    pause=$((pause * 2 > 15 ? 15 : pause * 2))
  done
  show_differences "$wrong" "$configuration" >&2
  if [ "$type" != "$2" ]; then complain "    authenticationType: \"$type\" instead of \"$2\""; fi
  if [ "$1" = null ] && [ "$configuration" != null ]; then complain '    there is a federation configuration where none should be'; fi
  # What is still as it was before may only be late; what is neither that nor as sent was damaged.
  late=$(jq -n --argjson before "$before" --argjson now "$state" --argjson wrong "$wrong" --arg type "$2" '
    $now.federationConfiguration[0] as $found | $before.federationConfiguration[0] as $old
    | ($found == null) == ($old == null) and ([$wrong | keys[] | $found[.] == $old[.]] | all)
      and ($now.authenticationType == $type or $now.authenticationType == $before.authenticationType)')
  if [ "$late" = true ] && [ -z "$undoing" ]; then
    complain 'Stopped: Microsoft took the changes, and still shows what was there before, as above. It can take up to two hours. Paste this again later: it compares once more.'
    way_back >&2
    stopped=yes
    exit 1
  fi
  stop 'Microsoft stored something else than was sent, as above.'
}

# Every setting of a saved state, null where it was absent; null alone if there was no configuration. Only the MFA
# behavior cannot be absent again, so what Microsoft documents as its default takes its place.
restored_settings() { # STATE
  jq -c --argjson names "$writable" '.federationConfiguration[0]
    | if . == null then null else . as $old | reduce $names[] as $name ({}; .[$name] = if $old[$name] == "" then null else $old[$name] end)
      | .federatedIdpMfaBehavior //= "acceptIfMfaDoneByFederatedIdp" end' <<<"$1"
}

# Puts back a saved state.
restore_state() { # STATE
  local wanted wanted_type
  wanted=$(restored_settings "$1")
  wanted_type=$(jq -r .authenticationType <<<"$1")
  read_state
  apply "$wanted" "$wanted_type"
  confirm "$wanted" "$wanted_type"
}

way_back() {
  [ -n "$saved" ] || return 0
  say 'The way back, should you need it: take the commands of the action restore, and paste them after'
  say "    export RESTORE_FROM=$(printf '%q' "$saved")"
  if [ "$type_before" != Federated ]; then
    say "Or only make the domain Managed, in Graph Explorer too: PATCH $graph/v1.0$domain_path"
    say '    {"authenticationType":"Managed"}'
  fi
}

# What the token says about its holder. Microsoft calls it nobody's business but Graph's, so it may say nothing.
claim() { # WHAT, in the language of jq
  printf '%s\n' "$token" | jq -Rr "split(\".\")[1] | gsub(\"-\"; \"+\") | gsub(\"_\"; \"/\") | @base64d | fromjson | $1" 2>/dev/null | plain || true
}

account() { claim '.upn // .unique_name // .preferred_username // ""'; }

# Whether an account signs in at the domain, or at one below it that follows.
is_of_domain() { # ACCOUNT
  case $(printf '%s' "$1" | tr '[:upper:]' '[:lower:]') in
    (*@"$domain" | *@*."$domain") return 0 ;;
    (*) return 1 ;;
  esac
}

# The configuration that rotate and promote change must be one of ours.
require_our_federation() {
  if [ "$type" != Federated ] || [ "$configuration" = null ]; then
    stop "$domain is not federated. The commands of the action enable do that, with the certificate of the day."
  fi
  [ "$(setting "$configuration" issuerUri)" = "$issuer" ] ||
    stop "$domain is federated with $(setting "$configuration" issuerUri | plain), which is not this app. The commands of the action enable would change that."
}
