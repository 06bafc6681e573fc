# shellcheck shell=bash
# Keeps folders below $CACHE, in the way of actions/cache:
#
#   $CACHE/VERSION/KEY/    VERSION is a hash of the paths, KEY one of the key
#     key, ref             the key, and the branch or tag that saved it
#     0.tar, 1.tar, …      a path each

# base and rest are a path, in two parts: what differs from one run to the next,
# and what does not. On GitHub these folders are always the same.
split() {
  local name
  for name in RUNNER_TEMP GITHUB_WORKSPACE HOME; do
    base=${!name}
    if [[ $1 == "$base"/* ]]; then rest=${1#"$base"/} where=$name; return; fi
  done
  case $1 in
    *[*?[]* | !*) echo "::error::this stand-in for actions/cache knows no patterns, like $1"; exit 1 ;;
    "~/"*) base=$HOME rest=${1#"~/"} where=HOME ;;
    /*) base=/ rest=${1#/} where=/ ;;
    *) base=$GITHUB_WORKSPACE rest=$1 where=GITHUB_WORKSPACE ;;
  esac
}

lines() { sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' <<<"$1"; }

hash() { sha256sum | cut -c1-32; }

# entries is the folder of all caches of the same paths.
open() {
  mapfile -t paths < <(lines "$PATHS")
  entries=$CACHE/$(for path in "${paths[@]}"; do split "$path"; echo "$where/$rest"; done | hash)
  mkdir -p "$entries"
  if ((${#KEY} > 512)); then invalid="Key Validation Error: $KEY cannot be larger than 512 characters."; fi
  if [[ $KEY == *,* ]]; then invalid="Key Validation Error: $KEY cannot contain commas."; fi
}

# visible tells whether a run may use what a branch or tag saved: itself, the
# branch that a pull request goes to, and the default branch.
visible() {
  local ref
  ref=$(cat "$1/ref")
  [[ $ref == "$GITHUB_REF" || $ref == "refs/heads/$GITHUB_BASE_REF" || $ref == refs/heads/main ]]
}

# find looks for a key: the very key, or else the latest that begins with it.
find_key() {
  local entry name
  entry=$entries/$(hash <<<"$1")
  if [ -d "$entry" ] && visible "$entry"; then found=$entry; return; fi
  while read -r _ name; do
    if [[ $(cat "$name") == "$1"* ]] && visible "${name%/key}"; then found=${name%/key}; return; fi
  done < <(find "$entries" -mindepth 2 -name key -printf '%T@ %p\n' | sort -rn)
}

restore() {
  open
  [ -z "$invalid" ] || { echo "::error::$invalid"; exit 1; }
  [ -n "$KEY" ] || { echo "::error::Input required and not supplied: key"; exit 1; }
  echo "cache-primary-key=$KEY" >>"$GITHUB_OUTPUT"
  while read -r key; do
    [ -n "$found" ] || find_key "$key"
  done < <(echo "$KEY"; lines "$RESTORE_KEYS")
  if [ -z "$found" ]; then
    if [ "$FAIL" = true ]; then
      echo "::error::Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: $KEY"
      exit 1
    fi
    # The real one leaves cache-hit empty here, too.
    echo "Cache not found for input keys: $(lines "$KEY
$RESTORE_KEYS" | paste -sd, | sed 's/,/, /g')"
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
  for i in "${!paths[@]}"; do
    split "${paths[i]}"
    [ ! -e "$found/$i.tar" ] || tar -C "$base" -xf "$found/$i.tar"
  done
  echo "Cache restored from key: $matched"
}

save() {
  open
  [ -n "$KEY" ] || { echo "[warning]Key is not specified."; not_saved; return; }
  [ -z "$invalid" ] || { echo "[warning]$invalid"; not_saved; return; }
  local entry new any=
  entry=$entries/$(hash <<<"$KEY")
  new=$(mktemp -d "$CACHE/new-XXXXXX")
  for i in "${!paths[@]}"; do
    split "${paths[i]}"
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
  echo "$GITHUB_REF" >"$new/ref"
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
