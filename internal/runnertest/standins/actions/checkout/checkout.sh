# shellcheck shell=bash
# Fetches what actions/checkout would, no more of the history and no other tags,
# from a repository on this machine. No credentials are left behind.

if [ -n "$OTHER" ]; then
  echo "::error::this stand-in for actions/checkout knows no ssh-key, filter, sparse-checkout, lfs and submodules"
  exit 1
fi
if [ "$REPOSITORY" != "$GITHUB_REPOSITORY" ]; then
  echo "::error::this stand-in for actions/checkout has $GITHUB_REPOSITORY alone, and not $REPOSITORY"
  exit 1
fi

ref=$REF commit=
if [ -z "$ref" ]; then
  ref=$GITHUB_REF commit=$GITHUB_SHA
elif [[ $ref =~ ^[0-9a-fA-F]{40}$ ]]; then
  commit=$ref ref=
fi

# What to fetch, and where it goes (ref-helper.ts of actions/checkout).
all_tags='+refs/tags/*:refs/tags/*'
specs=()
if ((DEPTH <= 0)); then
  shallow=()
  specs=('+refs/heads/*:refs/remotes/origin/*' "$all_tags")
  case $ref in refs/pull/*) specs+=("+${commit:-$ref}:refs/remotes/pull/${ref#refs/pull/}") ;; esac
else
  shallow=("--depth=$DEPTH")
  [ "$TAGS" != true ] || specs+=("$all_tags")
  case $ref in
    refs/heads/*) specs+=("+${commit:-$ref}:refs/remotes/origin/${ref#refs/heads/}") ;;
    refs/pull/*) specs+=("+${commit:-$ref}:refs/remotes/pull/${ref#refs/pull/}") ;;
    refs/tags/*) [ "$TAGS" = true ] || specs+=("+$ref:$ref") ;;
    '') specs+=("$commit") ;;
    *)
      specs+=("+refs/heads/$ref*:refs/remotes/origin/$ref*")
      [ "$TAGS" = true ] || specs+=("+refs/tags/$ref*:refs/tags/$ref*")
      ;;
  esac
fi

folder=$GITHUB_WORKSPACE/$TARGET
mkdir -p "$folder"
cd "$folder" || exit
git init --quiet --initial-branch=main
url=$GITHUB_SERVER_URL/$REPOSITORY
git remote add origin "$url"
git -c "url.file://$ORIGIN.insteadOf=$url" fetch --quiet --no-tags --prune --no-recurse-submodules "${shallow[@]}" origin "${specs[@]}"

case $ref in
  refs/heads/*) what=(-B "${ref#refs/heads/}" "refs/remotes/origin/${ref#refs/heads/}") ;;
  refs/pull/*) what=("refs/remotes/pull/${ref#refs/pull/}") ;;
  refs/tags/*) what=("$ref") ;;
  '') what=("$commit") ;;
  *)
    if git rev-parse --quiet --verify "refs/remotes/origin/$ref" >/dev/null; then
      what=(-B "$ref" "refs/remotes/origin/$ref")
    else
      what=("refs/tags/$ref")
    fi
    ;;
esac
git checkout --quiet --force "${what[@]}"
printf 'ref=%s\ncommit=%s\n' "$ref" "$(git rev-parse HEAD)" >>"$GITHUB_OUTPUT"
git log -1 --format='%H %s'
