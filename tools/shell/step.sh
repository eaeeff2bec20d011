# shellcheck shell=bash
# Sourced by every script here. A step says what is done and how long it took last time; one that fails says which it was,
# the last lines of its command, and what to do. Nothing is asked of anybody who calls: a failure that was told ends its
# script with code 97, and the scripts above it end with the same, silently.
set -Eeuo pipefail
export CACHE=${CACHE:-$HOME/.cache/wa-cluster}
told=97
case "$CACHE" in
  /*[[:space:]:]* | [!/]*)
    printf 'FAILED  CACHE is "%s"; allowed: an absolute path without spaces and colons\nwhat to do: set CACHE to such a path\n' "$CACHE" >&2; exit "$told" ;;
esac
# Lines of a failed command that are shown; all of them stand in its log.
shown_lines=25
# Seconds that nobody needs to be told of beforehand.
short=5
shell_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$CACHE/logs" "$CACHE/took"

# What a file says; nothing where there is none.
content() { [ ! -f "$1" ] || cat "$1"; }

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }

# A command outside of any step: its own words stand above.
at_error() { # exit code, line, command
  [ "$1" -eq "$told" ] || printf 'FAILED  %s, line %s: "%s" ended with %s; what it said stands above\n' "$(basename "${BASH_SOURCE[1]:-$0}")" "$2" "${3%%$'\n'*}" "$1" >&2
  exit "$told"
}
trap 'at_error $? $LINENO "$BASH_COMMAND"' ERR

# A failure that is known before any command: what, and what to do.
fail() { printf 'FAILED  %s\nwhat to do: %s\n' "$1" "$2" >&2; exit "$told"; }

duration() { # seconds
  if [ "$1" -ge 60 ]; then echo "$(($1 / 60)) m $(($1 % 60)) s"; else echo "$1 s"; fi
}
slug() { tr -cs 'A-Za-z0-9.\n' - <<< "$1" | sed 's/^-*//; s/-*$//'; }
# How long it took on this machine, or else on the machine that it was measured on; empty where nobody knows.
took() { # slug
  local last usual
  if [ -s "$CACHE/took/$1" ]; then
    last=$(<"$CACHE/took/$1"); [ "$last" -lt "$short" ] || echo "took $(duration "$last") last time"; return
  fi
  usual=$(awk -v s="$1" '$1 == s {print $2}' "$shell_folder/took.txt")
  [ -z "$usual" ] || echo "takes about $(duration "$usual") on two cores"
}

# The name may start with a count ("3 of 9"), which is said and not part of what its duration is kept under. Functions see
# the variables of whoever calls them: those of a step have names that no function of a step has.
step() { # name, what to do where it fails, command...
  local step_name=$1 step_advice=$2 step_key step_log step_took step_code=0 step_start=$SECONDS; shift 2
  step_key=$(slug "${step_name#*: }"); step_log=$CACHE/logs/$step_key.log; step_took=$(took "$step_key")
  say "$step_name${step_took:+ ($step_took)}"
  # In a shell of its own and outside of any condition, or else an error inside a function would not end it.
  set +e; trap - ERR
  (set -e; trap 'inside_step $? $LINENO "$BASH_COMMAND"' ERR; "$@") > "$step_log" 2>&1 < /dev/null; step_code=$?
  set -e; trap 'at_error $? $LINENO "$BASH_COMMAND"' ERR
  if [ "$step_code" -eq 0 ]; then echo $((SECONDS - step_start)) > "$CACHE/took/$step_key"; return; fi
  tell_failure "$step_name" "$step_advice" "$step_log" "$step_code" $((SECONDS - step_start)) "$@"
}

inside_step() { # exit code, line, command
  # A step that is one program has said all; of a function, it is told which of its commands it was.
  # shellcheck disable=SC2016  # the command as it stands in step
  [ "$3" = '"$@"' ] || [ "$1" -eq "$told" ] || printf '%s, line %s: "%s" ended with %s\n' "$(basename "${BASH_SOURCE[1]:-$0}")" "$2" "${3%%$'\n'*}" "$1"
  exit "$1"
}

# A question: its answer goes to standard output, and what it says besides is shown only where it fails.
ask() { # name, what to do where it fails, command...
  local step_name=$1 step_advice=$2 step_log step_code=0 step_start=$SECONDS; shift 2
  step_log=$CACHE/logs/$(slug "$step_name").log
  "$@" 2> "$step_log" || step_code=$?
  [ "$step_code" -eq 0 ] || tell_failure "$step_name" "$step_advice" "$step_log" "$step_code" $((SECONDS - step_start)) "$@"
}

tell_failure() { # name, advice, log, exit code, seconds, command...
  local name=$1 advice=$2 log=$3 code=$4 seconds=$5; shift 5
  { echo "FAILED  $name: ended with $code after $(duration "$seconds"). Its command:"
    printf '    %s\n' "$(printf '%q ' "$@")"
    if [ -s "$log" ]; then echo "its last lines (all of them: $log):"; tail -n "$shown_lines" "$log" | sed 's/^/    /'
    else echo "it said nothing"; fi
    echo "what to do: $advice"; } >&2
  exit "$told"
}
