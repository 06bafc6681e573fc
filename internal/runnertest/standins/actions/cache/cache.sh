# shellcheck shell=bash
# Keeps folders below $CACHE, in the way of actions/cache:
#
#   $CACHE/PATHS/REF/KEY/  hashes of the paths, of the branch or tag, and of the key
#     key                  the key
#     0.tar, 1.tar, …      a path each

# base and rest are a path, in two parts: what differs from one run to the next,
# and what does not. On GitHub these folders are always the same.
divide() {
  local name
  for name in RUNNER_TEMP GITHUB_WORKSPACE HOME; do
    base=${!name}
    if [[ $1 == "$base"/* ]]; then rest=${1#"$base"/} where=$name; return; fi
  done
  case $1 in
    *[*?[]* | !*) echo "::error::this stand-in for actions/cache knows no patterns, like $1" >&2; exit 1 ;;
    \~/*) base=$HOME rest=${1#\~/} where=HOME ;;
    /*) base=/ rest=${1#/} where=/ ;;
    *) base=$GITHUB_WORKSPACE rest=$1 where=GITHUB_WORKSPACE ;;
  esac
}

lines() { sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' <<<"$1"; }

digest() { sha256sum | cut -c1-32; }

# begin reads the inputs. Entries is the folder of all caches of the same paths.
begin() {
  mapfile -t places < <(lines "$PATHS")
  entries=$CACHE/$(for path in "${places[@]}"; do divide "$path"; echo "$where/$rest"; done | digest)
  if ((${#KEY} > 512)); then invalid="Key Validation Error: $KEY cannot be larger than 512 characters."; fi
  if [[ $KEY == *,* ]]; then invalid="Key Validation Error: $KEY cannot contain commas."; fi
}

# find_key looks for the keys where this run may look: at the caches of its own
# branch or tag, of the branch that a pull request goes to, and of the default
# branch. A key is found under its very name, or else by the latest that begins
# like it.
find_key() {
  local ref key name entry
  for ref in "$GITHUB_REF" "refs/heads/$GITHUB_BASE_REF" refs/heads/main; do
    entry=$entries/$(digest <<<"$ref")
    [ -d "$entry" ] || continue
    for key in "$@"; do
      found=$entry/$(digest <<<"$key")
      [ ! -d "$found" ] || return 0
      while read -r _ name; do
        found=${name%/key}
        if [[ $(cat "$name") == "$key"* ]]; then return; fi
      done < <(find "$entry" -mindepth 2 -name key -printf '%T@ %p\n' | sort -rn)
    done
  done
  found=
}

restore() {
  begin
  [ -z "$invalid" ] || { echo "::error::$invalid"; exit 1; }
  [ -n "$KEY" ] || { echo "::error::Input required and not supplied: key"; exit 1; }
  echo "cache-primary-key=$KEY" >>"$GITHUB_OUTPUT"
  local keys
  mapfile -t keys < <(echo "$KEY"; lines "$RESTORE_KEYS")
  find_key "${keys[@]}"
  if [ -z "$found" ]; then
    if [ "$FAIL" = true ]; then
      echo "::error::Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: $KEY"
      exit 1
    fi
    # The real one leaves cache-hit empty here, too.
    echo "Cache not found for input keys: $(printf '%s, ' "${keys[@]}" | sed 's/, $//')"
    return
  fi
  local matched hit=false
  matched=$(cat "$found/key")
  [ "$matched" != "$KEY" ] || hit=true
  printf 'cache-matched-key=%s\ncache-hit=%s\n' "$matched" "$hit" >>"$GITHUB_OUTPUT"
  if [ "$LOOKUP" = true ]; then
    echo "Cache found and can be restored from key: $matched"
    return
  fi
  for i in "${!places[@]}"; do
    divide "${places[i]}"
    [ ! -e "$found/$i.tar" ] || tar -C "$base" -xf "$found/$i.tar"
  done
  echo "Cache restored from key: $matched"
}

save() {
  begin
  [ -n "$KEY" ] || { echo "[warning]Key is not specified."; not_saved; return; }
  [ -z "$invalid" ] || { echo "[warning]$invalid"; not_saved; return; }
  local entry new any=
  entry=$entries/$(digest <<<"$GITHUB_REF")/$(digest <<<"$KEY")
  mkdir -p "${entry%/*}"
  new=$(mktemp -d "$CACHE/new-XXXXXX")
  for i in "${!places[@]}"; do
    divide "${places[i]}"
    [ -e "$base/$rest" ] || continue
    any=yes
    tar -C "$base" -cf "$new/$i.tar" -- "$rest"
  done
  if [ -z "$any" ]; then
    rm -r "$new"
    echo "[warning]Path Validation Error: Path(s) specified in the action for caching do(es) not exist, hence no cache is being saved."
    not_saved
    return
  fi
  echo "$KEY" >"$new/key"
  # A cache never changes: who comes second does not save.
  if ! mv -T "$new" "$entry" 2>/dev/null; then
    rm -r "$new"
    echo "Failed to save: Unable to reserve cache with key $KEY, another job may be creating this cache."
    not_saved
    return
  fi
  echo "Cache saved with key: $KEY"
}

not_saved() { echo "::warning::Cache save failed."; }

invalid='' found=''
